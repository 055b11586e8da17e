// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Direct server return within another packet, for what bpf_xdp leaves to the stack: fragments, options, ICMP errors about
 * what a backend sent, neighbours that are yet to be found.
 */
#pragma once

#include "lib/checksum.h"
#include "lib/hop.h"
#include "lib/nat_route.h"
#include "lib/node_devices.h"

#define PROTOCOL_IPIP 4
#define PROTOCOL_IPV6 41
#define OUTER_TTL 64

inline_always __u32 ipip_size(struct packet *p)
{
	return p->traits & TRAIT_IPV6 ? IPV6_SIZE : IPV4_SIZE;
}

inline_always int ipip4_insert(struct __sk_buff *ctx, struct packet *p, struct nat_work *work, __be32 own)
{
	void *data = packet_data(ctx);
	struct iphdr *inner = data + ETHERNET_SIZE;
	struct iphdr outer = {};
	__u32 *word = (__u32 *)&outer;

	if (data + ETHERNET_SIZE + IPV4_SIZE > packet_end(ctx))
		return -DROP_WRITE_ERROR;
	outer.version = 4;
	outer.ihl = 5;
	outer.tos = inner->tos;
	outer.tot_len = bpf_htons(p->limit - ETHERNET_SIZE + IPV4_SIZE);
	outer.frag_off = bpf_htons(0x4000);
	outer.ttl = OUTER_TTL;
	outer.protocol = PROTOCOL_IPIP;
	outer.saddr = own;
	outer.daddr = words(work->entry.destination)[3];
	outer.check = checksum_changed(0xffff, (__u64)word[0] + word[1] + word[2] + word[3] + word[4]);
	if (bpf_skb_adjust_room(ctx, IPV4_SIZE, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_ENCAP_L3_IPV4) < 0)
		return -DROP_WRITE_ERROR;
	return bpf_skb_store_bytes(ctx, ETHERNET_SIZE, &outer, sizeof(outer), 0) < 0 ? -DROP_WRITE_ERROR : 0;
}

inline_always int ipip6_insert(struct __sk_buff *ctx, struct packet *p, struct nat_work *work, const void *own)
{
	void *data = packet_data(ctx);
	struct ipv6hdr *inner = data + ETHERNET_SIZE;
	struct ipv6hdr outer = {};

	if (data + ETHERNET_SIZE + IPV6_SIZE > packet_end(ctx))
		return -DROP_WRITE_ERROR;
	*(__u32 *)&outer = *(__u32 *)inner; /* version, traffic class, and the flow's label */
	outer.payload_len = bpf_htons(p->limit - ETHERNET_SIZE);
	outer.nexthdr = PROTOCOL_IPV6;
	outer.hop_limit = OUTER_TTL;
	__builtin_memcpy(&outer.saddr, own, ADDRESS_SIZE);
	__builtin_memcpy(&outer.daddr, work->entry.destination, ADDRESS_SIZE);
	if (bpf_skb_adjust_room(ctx, IPV6_SIZE, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_ENCAP_L3_IPV6) < 0)
		return -DROP_WRITE_ERROR;
	return bpf_skb_store_bytes(ctx, ETHERNET_SIZE, &outer, sizeof(outer), 0) < 0 ? -DROP_WRITE_ERROR : 0;
}

/* Puts the packet in hand, as it is but for a hop, into one to its backend, by the way that route_find() found. */
__attribute__((noinline)) int ipip_insert(struct __sk_buff *ctx)
{
	struct packet *p = packet_scratch();
	struct nat_work *work = nat_scratch();
	struct nat_route *route = route_scratch();
	__u32 ipv6;
	int result;

	if (!p || !work || !route)
		return -DROP_INTERNAL;
	ipv6 = p->traits & TRAIT_IPV6;
	/* the entry's source is not needed any more: nothing is translated */
	if (!node_device_address(route->ifindex, ipv6, work->entry.source) &&
	    !node_device_address(ctx->ifindex, ipv6, work->entry.source))
		return -DROP_NAT_NO_MAPPING;
	result = ipv6 ? ipv6_hop(ctx) : ipv4_hop(ctx);
	if (result < 0)
		return result;
	return ipv6 ? ipip6_insert(ctx, p, work, work->entry.source) :
		      ipip4_insert(ctx, p, work, words(work->entry.source)[3]);
}
