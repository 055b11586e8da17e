// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* From bytes to struct packet. IPv4 and IPv6 twins; the cursor is an offset into the linear part. */
#pragma once

#include <linux/ip.h>
#include <linux/ipv6.h>

#include "lib/fragment_flow.h"
#include "lib/icmp.h"
#include "lib/packet.h"

#define IP_MORE_FRAGMENTS 0x2000
#define IP_FRAGMENT_OFFSET 0x1fff

#define SCTP_SIZE 12
#define SCTP_CHUNK_SIZE 4
#define SCTP_CHUNK_INIT 1
#define SCTP_CHUNK_ABORT 6
#define SCTP_CHUNK_SHUTDOWN_COMPLETE 14

#define UDP_SIZE 8

#define MAX_OPTIONS 40
#define OPTION_END 0
#define OPTION_NOP 1
#define OPTION_LOOSE_SOURCE_ROUTE 131
#define OPTION_STRICT_SOURCE_ROUTE 137

inline_always void *packet_data(struct __sk_buff *ctx)
{
	return (void *)(long)ctx->data;
}

inline_always void *packet_end(struct __sk_buff *ctx)
{
	return (void *)(long)ctx->data_end;
}

/* Makes the first `wanted` bytes linear, or all there are. Pointers into the packet are read anew after it. */
inline_always void linear_pull(struct __sk_buff *ctx, __u32 wanted)
{
	bpf_skb_pull_data(ctx, ctx->len < wanted ? ctx->len : wanted);
}

/*
 * Source routes lead elsewhere than to the destination that is judged. Whatever else is well-formed is let through, by
 * way of the stack, which acts on it.
 */
__attribute__((noinline)) int ipv4_options(struct __sk_buff *ctx, __u32 length)
{
	__u32 position = 0;
	__u32 count;

	/* byte by byte: positions in a copy on the stack would have to be known to the verifier one by one */
	for (count = 0; count < MAX_OPTIONS; count++) {
		__u8 type, size;

		if (position >= length)
			return 0;
		if (bpf_skb_load_bytes(ctx, ETHERNET_SIZE + IPV4_SIZE + position, &type, 1) < 0)
			return -DROP_TRUNCATED;
		if (type == OPTION_END)
			return 0;
		if (type == OPTION_NOP) {
			position++;
			continue;
		}
		if (type == OPTION_LOOSE_SOURCE_ROUTE || type == OPTION_STRICT_SOURCE_ROUTE)
			return -DROP_IP_OPTIONS;
		if (position + 1 >= length)
			return -DROP_IP_OPTIONS;
		if (bpf_skb_load_bytes(ctx, ETHERNET_SIZE + IPV4_SIZE + position + 1, &size, 1) < 0)
			return -DROP_TRUNCATED;
		if (size < 2 || position + size > length)
			return -DROP_IP_OPTIONS;
		position += size;
	}
	return position >= length ? 0 : -DROP_IP_OPTIONS;
}

/*
 * An offset as the verifier can add it to a pointer. The compiler, which knows its bounds, would leave the mask out; Linux
 * 6.1 loses them on the way.
 */
inline_always __u32 offset_bound(__u32 offset)
{
	asm volatile("" : "+r"(offset));
	return offset & 0x3ff;
}

inline_always int tcp_parse(struct packet *p, __u8 *l4, void *end, __u32 offset)
{
	__u32 flags, header;

	if (unlikely((void *)l4 + TCP_SIZE > end || offset + TCP_SIZE > p->limit))
		return -DROP_TRUNCATED;
	header = (l4[12] >> 4) * 4;
	flags = l4[13];
	if (unlikely(header < TCP_SIZE))
		return -DROP_INVALID_PACKET;
	if (unlikely(offset + header > p->limit && !(p->traits & TRAIT_FRAGMENT)))
		return -DROP_TRUNCATED;
	/* no connection begins and ends with one segment; such flags exist to confuse filters */
	if (unlikely((flags & TCP_SYN) && (flags & (TCP_FIN | TCP_RST))))
		return -DROP_INVALID_PACKET;
	p->l4_header = header;
	p->source_port = *(__be16 *)l4;
	p->destination_port = *(__be16 *)(l4 + 2);
	p->tcp_flags = flags;
	if (unlikely((flags & (TCP_SYN | TCP_ACK)) == TCP_SYN))
		p->traits |= TRAIT_INITIAL;
	if (unlikely(flags & TCP_RST))
		p->traits |= TRAIT_NO_FLOW;
	return 0;
}

inline_always int udp_parse(struct packet *p, __u8 *l4, void *end, __u32 offset)
{
	if (unlikely((void *)l4 + UDP_SIZE > end || offset + UDP_SIZE > p->limit))
		return -DROP_TRUNCATED;
	p->l4_header = UDP_SIZE;
	p->source_port = *(__be16 *)l4;
	p->destination_port = *(__be16 *)(l4 + 2);
	return 0;
}

inline_always int sctp_parse(struct packet *p, __u8 *l4, void *end, __u32 offset)
{
	if ((void *)l4 + SCTP_SIZE + SCTP_CHUNK_SIZE > end || offset + SCTP_SIZE + SCTP_CHUNK_SIZE > p->limit)
		return -DROP_TRUNCATED;
	p->l4_header = SCTP_SIZE;
	p->source_port = *(__be16 *)l4;
	p->destination_port = *(__be16 *)(l4 + 2);
	if (l4[SCTP_SIZE] == SCTP_CHUNK_INIT)
		p->traits |= TRAIT_INITIAL;
	else if (l4[SCTP_SIZE] == SCTP_CHUNK_ABORT || l4[SCTP_SIZE] == SCTP_CHUNK_SHUTDOWN_COMPLETE)
		p->traits |= TRAIT_CLOSES;
	return 0;
}

/* 0, or < 0, or 1 for an ICMP error, whose quoted packet is still to be parsed. */
inline_always int icmp_parse(struct packet *p, __u8 *l4, void *end, __u32 offset)
{
	__u32 ipv6 = p->traits & TRAIT_IPV6;

	if ((p->protocol == IPPROTO_ICMPV6) != !!ipv6)
		return -DROP_UNKNOWN_L4;
	if ((void *)l4 + ICMP_SIZE > end || offset + ICMP_SIZE > p->limit)
		return -DROP_TRUNCATED;
	p->l4_header = ICMP_SIZE;
	return ipv6 ? icmp6_classify(p, l4[0], *(__be16 *)(l4 + 4)) : icmp4_classify(p, l4[0], *(__be16 *)(l4 + 4));
}

/* The same for any protocol; p->l4_offset is `offset`. */
inline_always int l4_parse(struct __sk_buff *ctx, struct packet *p, __u32 offset)
{
	void *data = packet_data(ctx), *end = packet_end(ctx);

	switch (p->protocol) {
	case IPPROTO_TCP:
		return tcp_parse(p, data + offset, end, offset);
	case IPPROTO_UDP:
		return udp_parse(p, data + offset, end, offset);
	case IPPROTO_SCTP:
		return sctp_parse(p, data + offset, end, offset);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return icmp_parse(p, data + offset, end, offset);
	}
	/* judged by protocol alone */
	p->l4_header = 0;
	p->source_port = 0;
	p->destination_port = 0;
	return 0;
}

/* Ports of fragments and of what is neither TCP nor UDP; of a later fragment from what its first one left. */
static __attribute__((noinline)) int ports_parse_rare(struct __sk_buff *ctx, struct packet *p, __u32 offset)
{
	int result;

	offset = offset_bound(offset);
	p->l4_offset = offset;
	if (p->traits & TRAIT_LATER_FRAGMENT) {
		p->l4_header = 0;
		return fragment_find();
	}
	result = l4_parse(ctx, p, offset);
	if (result > 0) {
		if (p->traits & TRAIT_FRAGMENT)
			return -DROP_INVALID_PACKET; /* errors are short */
		return related_parse(ctx, p->l4_offset + ICMP_SIZE);
	}
	if (!result && (p->traits & TRAIT_FRAGMENT))
		return fragment_record();
	return result;
}

inline_always int ports_parse(struct __sk_buff *ctx, struct packet *p, __u32 offset)
{
	void *data = packet_data(ctx), *end = packet_end(ctx);

	if (likely(!(p->traits & TRAIT_FRAGMENT))) {
		offset = offset_bound(offset);
		p->l4_offset = offset;
		if (likely(p->protocol == IPPROTO_TCP))
			return tcp_parse(p, data + offset, end, offset);
		if (likely(p->protocol == IPPROTO_UDP))
			return udp_parse(p, data + offset, end, offset);
	}
	return ports_parse_rare(ctx, p, offset);
}

/* Ports, then the key of the flow. */
inline_always int tuple_parse(struct __sk_buff *ctx, struct packet *p, __u32 offset)
{
	int result = ports_parse(ctx, p, offset);

	if (unlikely(result < 0))
		return result;
	key_build(p);
	return 0;
}

/* From here on events can tell addresses and protocol; ports are 0 until they are known. */
inline_always void addresses_known(struct packet *p, __u32 traits)
{
	p->source_port = 0;
	p->destination_port = 0;
	p->traits |= TRAIT_TUPLE | traits;
}

/* Network layer: addresses, protocol, limit; returns the offset of the transport layer or < 0. */
inline_always int ipv4_parse(struct __sk_buff *ctx, struct packet *p)
{
	void *data = packet_data(ctx), *end = packet_end(ctx);
	struct iphdr *ip = data + ETHERNET_SIZE;
	__u32 length = ctx->len - ETHERNET_SIZE;
	__u32 total, header, fragment;

	if (unlikely(data + ETHERNET_SIZE + IPV4_SIZE > end))
		return -DROP_TRUNCATED;
	header = ip->ihl * 4;
	if (unlikely(ip->version != 4 || header < IPV4_SIZE))
		return -DROP_INVALID_PACKET;
	total = bpf_ntohs(ip->tot_len);
	if (unlikely(!total && ctx->gso_size))
		total = length; /* aggregated beyond what 16 bits hold ("BIG TCP") */
	if (unlikely(total > length))
		return -DROP_TRUNCATED;
	if (unlikely(total < header))
		return -DROP_INVALID_PACKET;
	p->limit = ETHERNET_SIZE + total;
	p->hop_limit = ip->ttl;
	p->protocol = ip->protocol;
	halves(p->source)[0] = 0;
	halves(p->source)[1] = mapped_half(ip->saddr);
	halves(p->destination)[0] = 0;
	halves(p->destination)[1] = mapped_half(ip->daddr);
	addresses_known(p, 0);
	fragment = bpf_ntohs(ip->frag_off);
	if (unlikely(fragment & (IP_MORE_FRAGMENTS | IP_FRAGMENT_OFFSET))) {
		p->fragment_id = ip->id;
		p->fragment_protocol = ip->protocol;
		p->fragment_offset = (fragment & IP_FRAGMENT_OFFSET) * 8;
		p->traits |= p->fragment_offset ? TRAIT_FRAGMENT | TRAIT_LATER_FRAGMENT : TRAIT_FRAGMENT;
		if (unlikely(p->fragment_offset + total - header > 0xffff))
			return -DROP_INVALID_PACKET;
	}
	if (unlikely(header > IPV4_SIZE)) {
		int result = ipv4_options(ctx, header - IPV4_SIZE);

		if (unlikely(result < 0))
			return result;
		p->traits |= TRAIT_OPTIONS;
		linear_pull(ctx, LINEAR_WANTED);
	}
	return ETHERNET_SIZE + header;
}

inline_always int ipv6_parse(struct __sk_buff *ctx, struct packet *p)
{
	void *data = packet_data(ctx), *end = packet_end(ctx);
	struct ipv6hdr *ip = data + ETHERNET_SIZE;
	__u32 length = ctx->len - ETHERNET_SIZE;
	__u32 total, next;
	int walked;

	if (unlikely(data + ETHERNET_SIZE + IPV6_SIZE > end))
		return -DROP_TRUNCATED;
	if (unlikely(ip->version != 6))
		return -DROP_INVALID_PACKET;
	total = IPV6_SIZE + bpf_ntohs(ip->payload_len);
	if (unlikely(total == IPV6_SIZE && ctx->gso_size))
		total = length; /* "BIG TCP" */
	if (unlikely(total > length))
		return -DROP_TRUNCATED;
	p->limit = ETHERNET_SIZE + total;
	p->hop_limit = ip->hop_limit;
	p->protocol = ip->nexthdr;
	address_copy(p->source, &ip->saddr);
	address_copy(p->destination, &ip->daddr);
	addresses_known(p, TRAIT_IPV6);
	if (unlikely(is_mapped(p->source)))
		return -DROP_INVALID_SOURCE_IP;
	if (unlikely(is_mapped(p->destination)))
		return -DROP_UNKNOWN_TARGET;
	next = ip->nexthdr;
	if (likely(next == IPPROTO_TCP || next == IPPROTO_UDP || next == IPPROTO_ICMPV6))
		return ETHERNET_SIZE + IPV6_SIZE;
	walked = ipv6_walk(ctx, ETHERNET_SIZE + IPV6_SIZE, next);
	if (unlikely(walked < 0))
		return walked;
	p->protocol = (walked >> 16) & 0xff;
	if (p->walk_fragment)
		p->traits |= p->walk_fragment == FRAGMENT_LATER ? TRAIT_FRAGMENT | TRAIT_LATER_FRAGMENT : TRAIT_FRAGMENT;
	walked &= 0xffff;
	/* behind extension headers the transport header may lie outside the linear part */
	linear_pull(ctx, walked + TCP_SIZE);
	return walked;
}
