// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Packets that came in from outside and go out again. They do not pass the stack: it would take the node's own address,
 * coming in, for a forgery, and netfilter would see one half of each connection.
 */
#pragma once

#include "lib/hop.h"
#include "lib/nat_packet.h"
#include "lib/resolve.h"

/* In the mark of a packet sent by these programs: what leaves with it is not looked at again (Cilium's MARK_SNAT_DONE). */
#define MARK_MASK 0x0f00
#define MARK_DONE 0x0300

struct nat_route {
	struct bpf_fib_lookup fib;
	struct bpf_redir_neigh neighbour;
	__u32 ifindex;
	__u32 resolved; /* the Ethernet header is known */
	__u32 mtu;
	__u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nat_route);
} route_state SEC(".maps");

inline_always struct nat_route *route_scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&route_state, &zero);
}

/* Length on the wire, without Ethernet header: of the longest segment, where there are several. */
inline_always __u32 wire_length(struct __sk_buff *ctx, struct packet *p)
{
	if (ctx->gso_size)
		return p->l4_offset - ETHERNET_SIZE + p->l4_header + ctx->gso_size;
	return p->limit - ETHERNET_SIZE;
}

/*
 * Asks the kernel for the way from work->entry's source to its destination, for a packet `extra` bytes longer than it is
 * now. 0 or a drop reason; FRAG_NEEDED leaves the MTU.
 */
__attribute__((noinline)) int route_find(struct __sk_buff *ctx, __u32 extra)
{
	struct packet *p = packet_scratch();
	struct nat_work *work = nat_scratch();
	struct nat_route *route = route_scratch();
	long result;

	if (!p || !work || !route)
		return -DROP_INTERNAL;
	__builtin_memset(&route->fib, 0, sizeof(route->fib));
	route->resolved = 0;
	route->fib.ifindex = ctx->ifindex;
	route->fib.tot_len = wire_length(ctx, p) + extra;
	route->fib.l4_protocol = p->protocol;
	if (p->traits & TRAIT_IPV6) {
		route->fib.family = AF_INET6;
		__builtin_memcpy(route->fib.ipv6_src, work->entry.source, ADDRESS_SIZE);
		__builtin_memcpy(route->fib.ipv6_dst, work->entry.destination, ADDRESS_SIZE);
	} else {
		route->fib.family = AF_INET;
		route->fib.ipv4_src = words(work->entry.source)[3];
		route->fib.ipv4_dst = words(work->entry.destination)[3];
	}
	result = bpf_fib_lookup(ctx, &route->fib, sizeof(route->fib), 0);
	route->ifindex = route->fib.ifindex;
	switch (result) {
	case BPF_FIB_LKUP_RET_SUCCESS:
		route->resolved = 1;
		return 0;
	case BPF_FIB_LKUP_RET_NO_NEIGH:
		route->neighbour.nh_family = route->fib.family;
		__builtin_memcpy(route->neighbour.ipv6_nh, route->fib.ipv6_dst, ADDRESS_SIZE);
		return 0;
	case BPF_FIB_LKUP_RET_FRAG_NEEDED:
		route->mtu = route->fib.mtu_result;
		return -DROP_FRAG_NEEDED;
	}
	return -DROP_FIB_LOOKUP;
}

/* Sends the packet on the way that route_find() found: FINAL, or < 0. */
inline_always int route_take(struct __sk_buff *ctx, struct packet *p)
{
	struct nat_route *route = route_scratch();
	struct ethhdr *ethernet;
	int result;

	if (!route)
		return -DROP_INTERNAL;
	result = p->traits & TRAIT_IPV6 ? ipv6_hop(ctx) : ipv4_hop(ctx);
	if (result < 0)
		return result;
	ctx->mark = (ctx->mark & ~MARK_MASK) | MARK_DONE;
	if (!route->resolved)
		return FINAL(bpf_redirect_neigh(route->ifindex, &route->neighbour, sizeof(route->neighbour), 0));
	ethernet = packet_data(ctx);
	if ((void *)(ethernet + 1) > packet_end(ctx))
		return -DROP_WRITE_ERROR;
	__builtin_memcpy(ethernet->h_dest, route->fib.dmac, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, route->fib.smac, ETH_ALEN);
	return FINAL(bpf_redirect(route->ifindex, 0));
}
