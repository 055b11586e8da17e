// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Packets that leave the node: whose source becomes an address of the node, and which port it gets. */
#pragma once

#include "lib/addresses.h"
#include "lib/flows.h"
#include "lib/nat_create.h"
#include "lib/nat_packet.h"
#include "lib/node_devices.h"

#define MAX_MASQUERADE_EXCLUSIONS 16384

/* Destinations that see endpoints' own addresses: those that are routed natively, and what the operator lists. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, MAX_MASQUERADE_EXCLUSIONS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix_key);
	__type(value, __u32);
} cilium_ipmasq SEC(".maps");

inline_always int masquerade_excluded(struct packet *p)
{
	p->prefix_key.prefixlen = 8 * ADDRESS_SIZE;
	words(p->prefix_key.address)[0] = words(p->destination)[0];
	words(p->prefix_key.address)[1] = words(p->destination)[1];
	words(p->prefix_key.address)[2] = words(p->destination)[2];
	words(p->prefix_key.address)[3] = words(p->destination)[3];
	return bpf_map_lookup_elem(&cilium_ipmasq, &p->prefix_key) != 0;
}

/* An answer within a flow that began outside: who asked the endpoint by its own address is answered by it. */
inline_always int answers_outside(struct packet *p)
{
	struct flow *flow;

	if (p->traits & TRAIT_INITIAL)
		return 0;
	flow = bpf_map_lookup_elem(&cilium_flows, &p->key);
	return flow && (flow->began & 1) != (p->source_index & 1);
}

/* A packet of an endpoint that no entry knows: 0: it goes as it is; 1: work->entry says how; < 0. */
__attribute__((noinline)) int masquerade(struct __sk_buff *ctx)
{
	struct packet *p = packet_scratch();
	struct nat_work *work = nat_scratch();
	struct node_device *device;
	__u32 ifindex = ctx->ifindex, ipv6;
	int result;

	if (!p || !work)
		return -DROP_INTERNAL;
	ipv6 = p->traits & TRAIT_IPV6;
	device = bpf_map_lookup_elem(&cilium_node_devices, &ifindex);
	if (!device || !(device->flags & (ipv6 ? MASQUERADE_IPV6 : MASQUERADE_IPV4)))
		return 0;
	if (answers_outside(p) || masquerade_excluded(p))
		return 0;
	if (!node_device_address(ifindex, ipv6, work->entry.source))
		return 0;
	address_copy(work->entry.destination, p->destination);
	work->entry.destination_port = p->destination_port;
	work->entry.service = 0;
	work->entry.flags = NAT_ALLOCATED;
	work->entry.backend = 0;
	work->entry.generation = 0;
	result = nat_create(ctx);
	return result < 0 ? result : 1;
}

/*
 * A packet from a port of the node that translated connections use, which is none of theirs: 1 where an answer to it
 * would be taken for one to such a connection. It gets another port then: work->entry says which.
 */
__attribute__((noinline)) int collision_avoid(struct __sk_buff *ctx)
{
	struct packet *p = packet_scratch();
	struct nat_work *work = nat_scratch();
	struct nat_entry *found;
	__s32 age;
	int result;

	if (!p || !work)
		return -DROP_INTERNAL;
	address_copy(work->entry.source, p->source);
	address_copy(work->entry.destination, p->destination);
	work->entry.source_port = p->source_port;
	work->entry.destination_port = p->destination_port;
	work->entry.service = 0;
	work->entry.flags = NAT_ALLOCATED;
	work->entry.backend = 0;
	work->entry.generation = 0;
	work->entry.state = 0;
	nat_partner(work, &work->entry);
	found = bpf_map_lookup_elem(&cilium_nat, &work->partner_key);
	if (!found || !(found->flags & NAT_ALLOCATED) || !(found->flags & NAT_REPLY))
		return 0;
	age = work->now - found->last_seen;
	if (age > (__s32)nat_timeout(p->protocol, found->state))
		return 0;
	result = nat_create(ctx);
	return result < 0 ? result : 1;
}
