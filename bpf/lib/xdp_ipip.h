// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * To a backend that answers the client itself: the packet travels as it is within another one, IPv4 in IPv4 (RFC 2003)
 * or IPv6 in IPv6 (RFC 2473). The backend takes off the outer header and finds the service's address as its own.
 */
#pragma once

#include "lib/checksum.h"
#include "lib/drop_reasons.h"
#include "lib/xdp_frame.h"
#include "lib/xdp_hop.h"
#include "lib/xdp_rewrite.h"

#define PROTOCOL_IPIP 4
#define PROTOCOL_IPV6 41
#define OUTER_TTL 64

/* Lengths of headers that are put before a frame's network header. */
#define ERROR_IPV4 (FRAME_IPV4 + 8)
#define ERROR_IPV6 (FRAME_IPV6 + 8)
/* What errors quote: the IP header, and as much as names the connection and its place in it. */
#define QUOTE_IPV4 (FRAME_IPV4 + 8)
#define QUOTE_IPV6 (FRAME_IPV6 + 20)

#define ICMP4_TYPE_UNREACHABLE 3
#define ICMP4_CODE_TOO_BIG 4
#define ICMP6_TYPE_TOO_BIG 2
#define PROTOCOL_ICMP 1
#define PROTOCOL_ICMP6 58

/* An IPv4 header's checksum, computed over the five words of one without options. */
inline_always __u16 ipv4_header_sum(__u32 *word)
{
	__u64 sum = (__u64)word[0] + word[1] + word[2] + word[3] + word[4];

	return ~sum_fold(sum);
}

inline_always void ipv4_header_fill(struct iphdr *ip, __u32 length, __u8 tos, __u8 protocol)
{
	ip->version = 4;
	ip->ihl = 5;
	ip->tos = tos;
	ip->tot_len = bpf_htons(length);
	ip->id = 0;
	ip->frag_off = bpf_htons(0x4000);
	ip->ttl = OUTER_TTL;
	ip->protocol = protocol;
	ip->check = 0;
}

/* Puts the outer header on: FINAL or < 0. */
inline_always int ipip4_send(struct xdp_md *ctx, struct hop *hop, __be32 backend)
{
	void *data, *end;
	struct iphdr *outer, *inner;

	if (bpf_xdp_adjust_head(ctx, -FRAME_IPV4))
		return -DROP_WRITE_ERROR;
	data = frame_data(ctx);
	end = frame_end(ctx);
	outer = data + FRAME_ETHERNET;
	inner = data + FRAME_ETHERNET + FRAME_IPV4;
	if ((void *)(inner + 1) > end)
		return -DROP_WRITE_ERROR;
	hop_macs(hop, data);
	*(__be16 *)(data + 12) = bpf_htons(ETH_P_IP);
	ipv4_hop_less(inner);
	ipv4_header_fill(outer, bpf_ntohs(inner->tot_len) + FRAME_IPV4, inner->tos, PROTOCOL_IPIP);
	outer->saddr = words(hop->own)[3];
	outer->daddr = backend;
	outer->check = ipv4_header_sum((__u32 *)outer);
	return XDP_FINAL(hop_take(hop));
}

inline_always int ipip6_send(struct xdp_md *ctx, struct hop *hop, __u32 *backend)
{
	void *data, *end;
	struct ipv6hdr *outer, *inner;

	if (bpf_xdp_adjust_head(ctx, -FRAME_IPV6))
		return -DROP_WRITE_ERROR;
	data = frame_data(ctx);
	end = frame_end(ctx);
	outer = data + FRAME_ETHERNET;
	inner = data + FRAME_ETHERNET + FRAME_IPV6;
	if ((void *)(inner + 1) > end)
		return -DROP_WRITE_ERROR;
	hop_macs(hop, data);
	*(__be16 *)(data + 12) = bpf_htons(ETH_P_IPV6);
	inner->hop_limit--;
	*(__u32 *)outer = *(__u32 *)inner; /* version, traffic class, and the flow's label */
	outer->payload_len = bpf_htons(bpf_ntohs(inner->payload_len) + FRAME_IPV6);
	outer->nexthdr = PROTOCOL_IPV6;
	outer->hop_limit = OUTER_TTL;
	__builtin_memcpy(&outer->saddr, hop->own, ADDRESS_SIZE);
	outer->daddr.in6_u.u6_addr32[0] = backend[0];
	outer->daddr.in6_u.u6_addr32[1] = backend[1];
	outer->daddr.in6_u.u6_addr32[2] = backend[2];
	outer->daddr.in6_u.u6_addr32[3] = backend[3];
	return XDP_FINAL(hop_take(hop));
}

/* The MAC addresses of a frame that was moved by `moved` bytes, the other way round, at its new beginning. */
inline_always void macs_return(void *data, __u32 moved)
{
	__u16 *to = data, *from = data + moved;
	__u16 a = from[0], b = from[1], c = from[2];

	to[0] = from[3];
	to[1] = from[4];
	to[2] = from[5];
	to[3] = a;
	to[4] = b;
	to[5] = c;
}

/* Tells the sender how long packets to this service may be, in place of its packet: FINAL or < 0. */
__attribute__((noinline)) int too_big4(struct xdp_md *ctx, __u32 mtu)
{
	void *data, *end;
	struct iphdr *ip, *quoted;
	__u32 *icmp;
	long length;

	if (bpf_xdp_adjust_head(ctx, -ERROR_IPV4))
		return -DROP_WRITE_ERROR;
	length = ctx->data_end - ctx->data;
	if (bpf_xdp_adjust_tail(ctx, FRAME_ETHERNET + ERROR_IPV4 + QUOTE_IPV4 - (int)length))
		return -DROP_FRAG_NEEDED;
	data = frame_data(ctx);
	end = frame_end(ctx);
	ip = data + FRAME_ETHERNET;
	icmp = data + FRAME_ETHERNET + FRAME_IPV4;
	quoted = data + FRAME_ETHERNET + ERROR_IPV4;
	if (data + FRAME_ETHERNET + ERROR_IPV4 + QUOTE_IPV4 > end)
		return -DROP_WRITE_ERROR;
	macs_return(data, ERROR_IPV4);
	*(__be16 *)(data + 12) = bpf_htons(ETH_P_IP);
	ipv4_header_fill(ip, ERROR_IPV4 + QUOTE_IPV4, 0, PROTOCOL_ICMP);
	ip->saddr = quoted->daddr;
	ip->daddr = quoted->saddr;
	ip->check = ipv4_header_sum((__u32 *)ip);
	icmp[0] = bpf_htonl(ICMP4_TYPE_UNREACHABLE << 24 | ICMP4_CODE_TOO_BIG << 16);
	icmp[1] = bpf_htonl(mtu & 0xffff);
	((__u16 *)icmp)[1] = ~sum_fold(bpf_csum_diff(0, 0, icmp, 8 + QUOTE_IPV4, 0));
	return XDP_FINAL(XDP_TX);
}

__attribute__((noinline)) int too_big6(struct xdp_md *ctx, __u32 mtu)
{
	void *data, *end;
	struct ipv6hdr *ip, *quoted;
	__u32 *icmp;
	__u64 sum;
	long length;

	if (bpf_xdp_adjust_head(ctx, -ERROR_IPV6))
		return -DROP_WRITE_ERROR;
	length = ctx->data_end - ctx->data;
	if (bpf_xdp_adjust_tail(ctx, FRAME_ETHERNET + ERROR_IPV6 + QUOTE_IPV6 - (int)length))
		return -DROP_FRAG_NEEDED;
	data = frame_data(ctx);
	end = frame_end(ctx);
	ip = data + FRAME_ETHERNET;
	icmp = data + FRAME_ETHERNET + FRAME_IPV6;
	quoted = data + FRAME_ETHERNET + ERROR_IPV6;
	if (data + FRAME_ETHERNET + ERROR_IPV6 + QUOTE_IPV6 > end)
		return -DROP_WRITE_ERROR;
	macs_return(data, ERROR_IPV6);
	*(__be16 *)(data + 12) = bpf_htons(ETH_P_IPV6);
	*(__u32 *)ip = bpf_htonl(0x60000000);
	ip->payload_len = bpf_htons(8 + QUOTE_IPV6);
	ip->nexthdr = PROTOCOL_ICMP6;
	ip->hop_limit = OUTER_TTL;
	__builtin_memcpy(&ip->saddr, &quoted->daddr, ADDRESS_SIZE);
	__builtin_memcpy(&ip->daddr, &quoted->saddr, ADDRESS_SIZE);
	icmp[0] = bpf_htonl(ICMP6_TYPE_TOO_BIG << 24);
	icmp[1] = bpf_htonl(mtu);
	/* addresses lie before the message: with length and protocol they are the pseudo-header */
	sum = bpf_csum_diff(0, 0, (__be32 *)&ip->saddr, 2 * ADDRESS_SIZE + 8 + QUOTE_IPV6, 0);
	sum = (__u64)(__u32)sum + bpf_htonl(8 + QUOTE_IPV6) + bpf_htonl(PROTOCOL_ICMP6);
	((__u16 *)icmp)[1] = ~sum_fold(sum);
	return XDP_FINAL(XDP_TX);
}
