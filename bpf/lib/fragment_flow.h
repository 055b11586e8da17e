// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Fragments: the first one leaves its ports, later ones take them. */
#pragma once

#include "lib/metrics.h"
#include "lib/packet.h"

/* Linux and others give up reassembling after 30 s (net.ipv4.ipfrag_time). */
#define FRAGMENT_TIMEOUT 30

inline_always void fragment_key_build(struct packet *p)
{
	struct fragment_key *key = &p->fragment_key;

	address_copy(key->source, p->source);
	address_copy(key->destination, p->destination);
	key->id = p->fragment_id;
	*(__u32 *)&key->protocol = p->fragment_protocol & 0xff;
}

/* Remembers the tuple of a first fragment whose source has been checked. */
__attribute__((noinline)) int fragment_record(void)
{
	struct packet *p = packet_scratch();
	struct fragment fragment = {};

	if (!p)
		return -DROP_INTERNAL;
	fragment_key_build(p);
	fragment.source_port = p->source_port;
	fragment.destination_port = p->destination_port;
	fragment.protocol = p->protocol;
	fragment.kind = p->kind;
	fragment.icmp_type = p->icmp_type;
	fragment.traits = p->traits & (TRAIT_INITIAL | TRAIT_NO_FLOW);
	fragment.seen = p->now;
	fragment.role = p->role;
	/* where this fails, later fragments find nothing and are dropped */
	bpf_map_update_elem(&cilium_fragments, &p->fragment_key, &fragment, BPF_ANY);
	return 0;
}

__attribute__((noinline)) int fragment_find(void)
{
	struct packet *p = packet_scratch();
	struct fragment *fragment;

	if (!p)
		return -DROP_INTERNAL;
	fragment_key_build(p);
	fragment = bpf_map_lookup_elem(&cilium_fragments, &p->fragment_key);
	if (!fragment)
		return -DROP_FRAGMENT_NOT_FOUND;
	if (p->now - fragment->seen > FRAGMENT_TIMEOUT * config_jiffies_per_second >> FLOW_TICK_SHIFT)
		return -DROP_FRAGMENT_NOT_FOUND;
	/* a fragment that reaches into the TCP header could change what was judged */
	if (fragment->protocol == IPPROTO_TCP && p->fragment_offset < TCP_SIZE)
		return -DROP_INVALID_PACKET;
	p->source_port = fragment->source_port;
	p->destination_port = fragment->destination_port;
	p->protocol = fragment->protocol;
	p->kind = fragment->kind;
	p->icmp_type = fragment->icmp_type;
	p->role = fragment->role;
	p->tcp_flags = TCP_ACK;
	/* judged as its first fragment was; of TCP, whose flags are not here, it leaves no entry of its own */
	p->traits |= fragment->traits;
	if (fragment->protocol == IPPROTO_TCP)
		p->traits |= TRAIT_NO_FLOW;
	return 0;
}
