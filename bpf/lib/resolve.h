// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* From an address to a party: its end, its identity and, where it is local, its policy. */
#pragma once

#include "lib/addresses.h"
#include "lib/config.h"
#include "lib/endpoints.h"
#include "lib/node.h"
#include "lib/packet.h"

#define AF_INET 2
#define AF_INET6 10

inline_always void party_local(struct party *party, __u32 slot, struct cell_half *half)
{
	party->end = slot + 1;
	party->identity = half->identity;
}

inline_always void party_remote(struct party *party, __u32 bucket, __u32 identity)
{
	party->end = FLOW_REMOTE | bucket;
	party->identity = identity;
}

/* Set in what address_lookup() returns: a prefix covers the address, which is not itself known. */
#define ADDRESS_BY_PREFIX 0x40000000u

/* What cilium_addresses and cilium_prefixes say, or 0. */
inline_always __u32 address_lookup(struct packet *p, void *address)
{
	struct address_ref *ref = bpf_map_lookup_elem(&cilium_addresses, address);

	if (ref)
		return ref->ref;
	p->prefix_key.prefixlen = 8 * ADDRESS_SIZE;
	words(p->prefix_key.address)[0] = words(address)[0];
	words(p->prefix_key.address)[1] = words(address)[1];
	words(p->prefix_key.address)[2] = words(address)[2];
	words(p->prefix_key.address)[3] = words(address)[3];
	ref = bpf_map_lookup_elem(&cilium_prefixes, &p->prefix_key);
	return ref ? ref->ref | ADDRESS_BY_PREFIX : 0;
}

/*
 * Whether the kernel itself takes this address, which the agent may not know yet, for one of the node's: then the FIB
 * does not forward it. It does not forward what has no route either; such packets go nowhere, and the flow is marked so
 * that each of its packets asks again.
 */
inline_always int kernel_local(struct __sk_buff *ctx, struct packet *p, void *address, void *other)
{
	struct bpf_fib_lookup fib = {};
	long result;

	fib.ifindex = ctx->ifindex;
	if (p->traits & TRAIT_IPV6) {
		fib.family = AF_INET6;
		__builtin_memcpy(fib.ipv6_dst, address, ADDRESS_SIZE);
		__builtin_memcpy(fib.ipv6_src, other, ADDRESS_SIZE);
	} else {
		fib.family = AF_INET;
		fib.ipv4_dst = words(address)[3];
		fib.ipv4_src = words(other)[3];
	}
	result = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	/* with forwarding off on the device nothing but local delivery is left */
	return result == BPF_FIB_LKUP_RET_NOT_FWDED || result == BPF_FIB_LKUP_RET_FWD_DISABLED;
}

/* How the far end was seen. */
#define RESOLVE_SOURCE 1 /* it sent this packet, which came out of the stack */
#define RESOLVE_QUOTED 2 /* it is only named in an ICMP error */
#define RESOLVE_BEGAN 4 /* and it began the flow: who it claims to be must fit where it came from */

/*
 * Fills `party` for the far end, and `policy` where it is local. The counter of its bucket has been read before, and a
 * full barrier lies between: what is found here is at least as new as the counter.
 */
inline_always int resolve_remote(struct __sk_buff *ctx, struct packet *p, struct party *party, void *address,
				 void *other, __u32 bucket, __u32 how, struct cell_half **policy)
{
	__u32 world = p->traits & TRAIT_IPV6 ? config_world_ipv6 : config_world_ipv4;
	__u32 ref = address_lookup(p, address);

	p->flow_flags &= ~(__u32)FLOW_LATE;
	if (ref & ADDRESS_LOCAL) {
		__u32 slot = ref & ~ADDRESS_LOCAL;
		struct cell_half *half = cell_get(slot, p->parity);
		struct endpoint_info *endpoint;

		if (!half || !half->generation)
			return -DROP_STALE_IP;
		if ((how & RESOLVE_SOURCE) && !(how & RESOLVE_QUOTED)) {
			/* a local endpoint's address is believed only from its own device */
			endpoint = bpf_map_lookup_elem(&cilium_endpoints, &slot);
			if (!endpoint || endpoint->ifindex != p->ingress_ifindex)
				return -DROP_INVALID_SOURCE_IP;
		}
		party_local(party, slot, half);
		*policy = half;
		return 0;
	}
	party_remote(party, bucket, world);
	if (ref) {
		__u32 index = ref & ~ADDRESS_BY_PREFIX;
		struct remote *remote = bpf_map_lookup_elem(&cilium_remotes, &index);

		if (remote) {
			/* one load: the agent changes both by one store */
			__u64 value = *(volatile __u64 *)&remote->half[p->parity & 1];

			/* the node does not receive its own packets: its address coming in from a device is forged */
			if (((value >> 32) & REMOTE_HOST) && (how & RESOLVE_BEGAN) && p->ingress_ifindex)
				value = world;
			party->identity = (__u32)value;
			if (!(ref & ADDRESS_BY_PREFIX))
				return 0;
		}
	}
	/* whatever prefix covers it, an address of the node is the host's before the agent has heard of it */
	if ((how & RESOLVE_BEGAN) && p->ingress_ifindex)
		return 0;
	if (kernel_local(ctx, p, address, other)) {
		party->identity = IDENTITY_HOST;
		p->flow_flags |= FLOW_LATE;
	}
	return 0;
}
