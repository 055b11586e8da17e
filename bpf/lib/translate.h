// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Gives the packet in hand the addresses and ports that p->rewrite says, and corrects its checksums. TCP and UDP are
 * done in line, where the kernel tells who computes the checksum; fragments, SCTP, ICMP errors with what they quote,
 * hairpins, clients under another port and older kernels are done by helpers.
 */
#pragma once

#include "lib/checksum.h"
#include "lib/hop.h"
#include "lib/packet.h"
#include "lib/parse.h"
#include "lib/skb.h"

#define TCP_CHECK 16
#define UDP_CHECK 6
#define ICMP_CHECK 2
#define IPV4_CHECK 10
#define IPV4_SOURCE 12
#define IPV6_SOURCE 8

#define SIDE_SOURCE 0
#define SIDE_DESTINATION 1

/* How an endpoint sees itself behind a service. */
inline_always void loopback_address(void *address, __u32 ipv6)
{
	words(address)[0] = ipv6 ? bpf_htonl(0x01000000) : 0; /* 100::/64 leads nowhere (RFC 6666) */
	words(address)[1] = 0;
	words(address)[2] = ipv6 ? 0 : bpf_htonl(0x0000ffff);
	words(address)[3] = bpf_htonl(config_service_loopback);
}

/* What one hop does to the sum of an IPv4 header: its TTL is the high byte of a word. */
#define HOP_CHANGE (0xffff - bpf_htons(0x0100))

/*
 * Address and port of one side, from what the flow's tuple has to what p->rewrite says, and with `hop` the hop of a
 * router. 0: done; 1: not here.
 */
inline_always int translate_here(struct __sk_buff *ctx, struct packet *p, __u32 side, __u32 hop, const __u32 ipv6)
{
	void *data = packet_data(ctx), *end = packet_end(ctx);
	__u32 *from = words(side ? p->destination : p->source), *to = words(p->rewrite_address);
	void *ip = data + ETHERNET_SIZE, *l4 = data + (p->l4_offset & 0x3ff);
	__u32 summed = skb_summed(ctx), tcp = p->protocol == IPPROTO_TCP;
	__u16 *check, *port = l4 + (side ? 2 : 0);
	__u32 change;

	if (unlikely(summed == SUMMED_COMPLETE || (p->traits & (TRAIT_RELATED | TRAIT_LATER_FRAGMENT))))
		return 1;
	if (unlikely(ip + (ipv6 ? IPV6_SIZE : IPV4_SIZE) > end))
		return 1;
	if (tcp) {
		if (unlikely(l4 + TCP_SIZE > end))
			return 1;
		check = l4 + TCP_CHECK;
	} else {
		if (unlikely(p->protocol != IPPROTO_UDP || l4 + UDP_SIZE > end))
			return 1;
		check = l4 + UDP_CHECK;
	}
	if (ipv6) {
		struct ipv6hdr *header = ip;
		__u32 *address = words(side ? &header->daddr : &header->saddr);

		change = sum_fold(sum_change16(from, to));
		address[0] = to[0];
		address[1] = to[1];
		address[2] = to[2];
		address[3] = to[3];
		if (hop)
			header->hop_limit--;
	} else {
		struct iphdr *header = ip;

		change = sum_halve(sum_change4(from, to));
		*(side ? &header->daddr : &header->saddr) = to[3];
		if (hop)
			header->ttl--;
		header->check = checksum_changed_by(header->check, change + (hop ? HOP_CHANGE : 0));
	}
	if (summed == SUMMED_PARTIAL) {
		/* the sum of the pseudo-header only, not complemented: the rest is added where the packet is sent */
		*check = sum_wrap(*check + change);
	} else if (tcp || *check) {
		*check = checksum_less(*check, change + sum_change2(*port, p->rewrite_port));
	}
	*port = p->rewrite_port;
	return 0;
}

/* Of IPv6 for itself, for it needs registers that IPv4 beside it would lack. */
static __attribute__((noinline)) int translate_ipv6(struct __sk_buff *ctx, struct packet *p, __u32 side, __u32 hop)
{
	return translate_here(ctx, p, side, hop, 1);
}

inline_always int translate_inline(struct __sk_buff *ctx, struct packet *p, const __u32 side, const __u32 hop)
{
	if (p->traits & TRAIT_IPV6)
		return translate_ipv6(ctx, p, side, hop);
	return translate_here(ctx, p, side, hop, 0);
}

/* p->change on one side of the packet's own headers, by helpers. */
inline_always int change_outer(struct __sk_buff *ctx, struct packet *p, __u32 side)
{
	struct change *change = &p->change;
	__u32 ipv6 = p->traits & TRAIT_IPV6;
	__u32 l4 = p->l4_offset;
	__u32 mangled = 0, check = 0;
	int result = 0;

	if (p->traits & TRAIT_RELATED) {
		if (ipv6)
			result = bpf_l4_csum_replace(ctx, l4 + ICMP_CHECK, 0, change->difference, BPF_F_PSEUDO_HDR);
	} else if (!(p->traits & TRAIT_LATER_FRAGMENT)) {
		if (p->protocol == IPPROTO_TCP) {
			check = l4 + TCP_CHECK;
		} else if (p->protocol == IPPROTO_UDP) {
			check = l4 + UDP_CHECK;
			mangled = BPF_F_MARK_MANGLED_0;
		}
		if (check) {
			result = bpf_l4_csum_replace(ctx, check, 0, change->difference, BPF_F_PSEUDO_HDR | mangled);
			if (!result && change->from_port != change->to_port)
				result = bpf_l4_csum_replace(ctx, check, change->from_port, change->to_port, mangled | 2);
			if (!result)
				result = bpf_skb_store_bytes(ctx, l4 + (side ? 2 : 0), &change->to_port, 2, 0);
		}
	}
	if (result < 0)
		return -DROP_WRITE_ERROR;
	if (ipv6) {
		/* of a sum over the whole packet the helper above took away what the store now adds */
		result = bpf_skb_store_bytes(ctx, ETHERNET_SIZE + IPV6_SOURCE + (side ? ADDRESS_SIZE : 0), change->to,
					     ADDRESS_SIZE, BPF_F_RECOMPUTE_CSUM);
	} else {
		result = bpf_l3_csum_replace(ctx, ETHERNET_SIZE + IPV4_CHECK, 0, change->difference, 0);
		if (!result)
			result = bpf_skb_store_bytes(ctx, ETHERNET_SIZE + IPV4_SOURCE + (side ? 4 : 0), change->to + 12, 4, 0);
	}
	return result < 0 ? -DROP_WRITE_ERROR : 0;
}

/* A checksum in a quoted packet, and with it that of the message: 0 or < 0. */
inline_always int change_quoted_check(struct __sk_buff *ctx, struct packet *p, __u32 offset, __u64 by, __u32 udp)
{
	__u16 check[2] = {};

	if (bpf_skb_load_bytes(ctx, offset, &check[0], 2) < 0)
		return -DROP_WRITE_ERROR;
	if (udp && !check[0])
		return 0;
	check[1] = checksum_changed(check[0], by);
	if (udp && !check[1])
		check[1] = 0xffff;
	if (bpf_l4_csum_replace(ctx, p->l4_offset + ICMP_CHECK, check[0], check[1], 2) < 0 ||
	    bpf_skb_store_bytes(ctx, offset, &check[1], 2, 0) < 0)
		return -DROP_WRITE_ERROR;
	return 0;
}

/*
 * p->change on one side of the packet that an ICMP error quotes: address, port, the checksums that it carries (of what
 * was cut off too: they are changed by the same), and the message's own.
 */
__attribute__((noinline)) int change_quoted(struct __sk_buff *ctx, __u32 side)
{
	struct packet *p = packet_scratch();
	struct change *change;
	__u32 offset, l4, check, message;
	__u64 by;
	int result;

	if (!p)
		return -DROP_INTERNAL;
	change = &p->change;
	offset = p->quoted_offset;
	l4 = p->quoted_l4;
	message = p->l4_offset + ICMP_CHECK;
	by = sum_change2(change->from_port, change->to_port);
	if (p->traits & TRAIT_IPV6) {
		by += sum_change16(change->from, change->to);
		result = bpf_l4_csum_replace(ctx, message, 0, change->difference, 0);
		if (!result)
			result = bpf_skb_store_bytes(ctx, offset + IPV6_SOURCE + (side ? ADDRESS_SIZE : 0), change->to,
						     ADDRESS_SIZE, 0);
	} else {
		__u64 address = sum_change4(change->from, change->to);

		by += address;
		result = bpf_l4_csum_replace(ctx, message, words(change->from)[3], words(change->to)[3], 4);
		if (!result)
			result = bpf_skb_store_bytes(ctx, offset + IPV4_SOURCE + (side ? 4 : 0), change->to + 12, 4, 0);
		if (!result)
			result = change_quoted_check(ctx, p, offset + IPV4_CHECK, address, 0);
	}
	if (result < 0)
		return -DROP_WRITE_ERROR;
	if (p->protocol == IPPROTO_TCP)
		check = TCP_CHECK;
	else if (p->protocol == IPPROTO_UDP)
		check = UDP_CHECK;
	else
		return 0;
	if (bpf_l4_csum_replace(ctx, message, change->from_port, change->to_port, 2) < 0 ||
	    bpf_skb_store_bytes(ctx, l4 + (side ? 2 : 0), &change->to_port, 2, 0) < 0)
		return -DROP_WRITE_ERROR;
	/* of TCP often only the ports are quoted */
	if (l4 + check + 2 > p->limit)
		return 0;
	return change_quoted_check(ctx, p, l4 + check, by, p->protocol == IPPROTO_UDP);
}

/* p->change (addresses and ports) on one side of the flow's tuple. */
__attribute__((noinline)) int change_side(struct __sk_buff *ctx, __u32 side)
{
	struct packet *p = packet_scratch();
	int result = 0;

	if (!p)
		return -DROP_INTERNAL;
	p->change.difference = sum_fold32(p->traits & TRAIT_IPV6 ? sum_change16(p->change.from, p->change.to)
								 : sum_change4(p->change.from, p->change.to));
	/* any router may report an error: its own address is nobody's of the flow */
	if (!(p->traits & TRAIT_RELATED) || side || address_equal(p->outer_source, p->change.from))
		result = change_outer(ctx, p, side);
	if (!result && (p->traits & TRAIT_RELATED))
		result = change_quoted(ctx, !side);
	return result;
}

/* What p->rewrite says, by helpers. */
__attribute__((noinline)) int translate_slow(struct __sk_buff *ctx)
{
	struct packet *p = packet_scratch();
	__u32 side;
	int result;

	if (!p)
		return -DROP_INTERNAL;
	side = p->rewrite & REWRITE_DESTINATION ? SIDE_DESTINATION : SIDE_SOURCE;
	if (side) {
		address_copy(p->change.from, p->destination);
		p->change.from_port = p->destination_port;
	} else {
		address_copy(p->change.from, p->source);
		p->change.from_port = p->source_port;
	}
	address_copy(p->change.to, p->rewrite_address);
	p->change.to_port = p->rewrite_port;
	result = change_side(ctx, side);
	if (result || !(p->rewrite & (REWRITE_HAIRPIN | REWRITE_PORT)))
		return result;
	if (side) {
		address_copy(p->change.from, p->source);
		p->change.from_port = p->source_port;
	} else {
		address_copy(p->change.from, p->destination);
		p->change.from_port = p->destination_port;
	}
	if (!(p->rewrite & REWRITE_HAIRPIN))
		address_copy(p->change.to, p->change.from);
	else if (side)
		loopback_address(p->change.to, p->traits & TRAIT_IPV6);
	else
		address_copy(p->change.to, p->source);
	p->change.to_port = p->rewrite & REWRITE_PORT ? p->other_port : p->change.from_port;
	return change_side(ctx, !side);
}

inline_always int translate(struct __sk_buff *ctx, struct packet *p, const __u32 hop)
{
	int result = 1;

	if (p->rewrite == REWRITE_DESTINATION)
		result = translate_inline(ctx, p, SIDE_DESTINATION, hop);
	else if (p->rewrite == REWRITE_SOURCE)
		result = translate_inline(ctx, p, SIDE_SOURCE, hop);
	if (likely(!result))
		return 0;
	result = translate_slow(ctx);
	/* to itself a packet passes no router */
	if (result < 0 || !hop || (p->rewrite & REWRITE_HAIRPIN))
		return result;
	return p->traits & TRAIT_IPV6 ? ipv6_hop(ctx) : ipv4_hop(ctx);
}
