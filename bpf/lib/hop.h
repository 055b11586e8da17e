// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What a router does to a packet. */
#pragma once

#include "lib/packet.h"
#include "lib/parse.h"

/* Whether the packet, or the segments it will be cut into, is too long for the receiver's device. */
inline_always int exceeds_mtu(struct __sk_buff *ctx, struct packet *p, __u32 mtu)
{
	__u32 length = ctx->len - ETHERNET_SIZE;
	__u32 segment = ctx->gso_size;

	if (length <= mtu)
		return 0;
	if (!segment)
		return 1;
	return p->l4_offset - ETHERNET_SIZE + p->l4_header + segment > mtu;
}

inline_always int ipv4_hop(struct __sk_buff *ctx)
{
	void *data = packet_data(ctx);
	struct iphdr *ip = data + ETHERNET_SIZE;
	__u32 check;

	if (unlikely(data + ETHERNET_SIZE + IPV4_SIZE > packet_end(ctx)))
		return -DROP_WRITE_ERROR;
	/* RFC 1624, for one less in the high byte of a word */
	check = ip->check + bpf_htons(0x0100);
	ip->check = check + (check >= 0xffff);
	ip->ttl--;
	return 0;
}

inline_always int ipv6_hop(struct __sk_buff *ctx)
{
	void *data = packet_data(ctx);
	struct ipv6hdr *ip = data + ETHERNET_SIZE;

	if (unlikely(data + ETHERNET_SIZE + IPV6_SIZE > packet_end(ctx)))
		return -DROP_WRITE_ERROR;
	ip->hop_limit--;
	return 0;
}
