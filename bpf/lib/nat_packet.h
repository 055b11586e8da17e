// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Translation of packets in the hands of tc programs. */
#pragma once

#include "lib/checksum.h"
#include "lib/ipv6_headers.h"
#include "lib/nat.h"
#include "lib/packet.h"
#include "lib/parse.h"
#include "lib/skb.h"

#define IPV4_CHECK (ETHERNET_SIZE + 10)
#define IPV4_ADDRESSES (ETHERNET_SIZE + 12)
#define IPV6_ADDRESSES (ETHERNET_SIZE + 8)
#define TCP_CHECK 16
#define UDP_CHECK 6
#define ICMP_CHECK 2
#define ICMP_ID 4

/* The packet in hand into the form that nat.h takes. */
inline_always void nat_take(struct packet *p, struct nat_work *work)
{
	address_copy(work->key.source, p->source);
	address_copy(work->key.destination, p->destination);
	((__u64 *)&work->key)[4] = p->source_port | (__u32)p->destination_port << 16 | (__u64)p->protocol << 32 |
				   (__u64)p->kind << 40 | (__u64)p->role << 48;
	work->now = p->now;
	work->tcp_flags = p->protocol == IPPROTO_TCP && !(p->traits & (TRAIT_LATER_FRAGMENT | TRAIT_RELATED)) ? p->tcp_flags : 0;
	work->closes = p->traits & TRAIT_CLOSES;
	work->goes_on = p->protocol == IPPROTO_SCTP && !(p->traits & (TRAIT_CLOSES | TRAIT_INITIAL | TRAIT_LATER_FRAGMENT | TRAIT_RELATED));
}

inline_always void nat_entry_copy(struct nat_entry *to, struct nat_entry *from)
{
	__u64 *t = (__u64 *)to, *f = (__u64 *)from;

	t[0] = f[0];
	t[1] = f[1];
	t[2] = f[2];
	t[3] = f[3];
	t[4] = f[4];
	t[5] = f[5];
	t[6] = f[6];
}

/* A checksum as it lies in a packet, after changes that were added up without folding. */
inline_always __u16 sum_apply(__u16 check, __u64 change)
{
	return ~sum_fold((__u16)~check + change);
}

/* What the new addresses change in a sum over the packet's; `to` leaves one alone where it has the same. */
inline_always __u64 addresses_change(struct packet *p, struct nat_entry *to)
{
	if (p->traits & TRAIT_IPV6)
		return sum_change16(p->source, to->source) + sum_change16(p->destination, to->destination);
	return sum_change4(p->source, to->source) + sum_change4(p->destination, to->destination);
}

inline_always __u64 ports_change(struct packet *p, struct nat_entry *to)
{
	return sum_change2(p->source_port, to->source_port) + sum_change2(p->destination_port, to->destination_port);
}

inline_always int addresses_write(struct __sk_buff *ctx, struct packet *p, struct nat_entry *to, __u64 change)
{
	void *data = packet_data(ctx), *end = packet_end(ctx);
	__u32 *address;

	if (p->traits & TRAIT_IPV6) {
		if (data + ETHERNET_SIZE + IPV6_SIZE > end)
			return -DROP_WRITE_ERROR;
		address = data + IPV6_ADDRESSES;
		address[0] = words(to->source)[0];
		address[1] = words(to->source)[1];
		address[2] = words(to->source)[2];
		address[3] = words(to->source)[3];
		address[4] = words(to->destination)[0];
		address[5] = words(to->destination)[1];
		address[6] = words(to->destination)[2];
		address[7] = words(to->destination)[3];
		return 0;
	}
	if (data + ETHERNET_SIZE + IPV4_SIZE > end)
		return -DROP_WRITE_ERROR;
	address = data + IPV4_ADDRESSES;
	address[0] = words(to->source)[3];
	address[1] = words(to->destination)[3];
	*(__u16 *)(data + IPV4_CHECK) = sum_apply(*(__u16 *)(data + IPV4_CHECK), change);
	return 0;
}

/* Where the checksum of the transport header lies; 0: nowhere. */
inline_always __u32 check_offset(__u32 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return TCP_CHECK;
	case IPPROTO_UDP:
		return UDP_CHECK;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return ICMP_CHECK;
	}
	return 0;
}

/*
 * Brings the transport checksum up to date by the kernel's helper, which knows of checksums that are only begun
 * (CHECKSUM_PARTIAL). Where the kernel has summed up the whole packet (CHECKSUM_COMPLETE) the helper takes an address'
 * change off that sum, which is right for IPv4, whose header checksum makes up for the address, and wrong for IPv6.
 */
inline_always int checksum_replace(struct __sk_buff *ctx, struct packet *p, __u32 offset, __u64 addresses, __u64 ports)
{
	__u64 flags = p->protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
	__u32 change = sum_fold32(addresses);

	if (p->protocol != IPPROTO_ICMP) {
		if (bpf_l4_csum_replace(ctx, offset, 0, change, BPF_F_PSEUDO_HDR | flags) < 0)
			return -DROP_L4_CHECKSUM;
		if (p->traits & TRAIT_IPV6)
			bpf_csum_update(ctx, change);
	}
	if (ports && bpf_l4_csum_replace(ctx, offset, 0, sum_fold32(ports), flags) < 0)
		return -DROP_L4_CHECKSUM;
	return 0;
}

/* Ports or identifier, where this packet has them. */
inline_always int ports_write(struct __sk_buff *ctx, struct packet *p, struct nat_entry *to, __u32 offset)
{
	void *data = packet_data(ctx), *end = packet_end(ctx);

	if (p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP || p->protocol == IPPROTO_SCTP) {
		if (data + offset + 4 > end)
			return -DROP_WRITE_ERROR;
		*(__u32 *)(data + offset) = to->source_port | (__u32)to->destination_port << 16;
	} else if (p->role) {
		if (data + offset + ICMP_SIZE > end)
			return -DROP_WRITE_ERROR;
		*(__u16 *)(data + offset + ICMP_ID) = p->role == ROLE_REQUESTER ? to->source_port : to->destination_port;
	}
	return 0;
}

/*
 * TCP and UDP, where the kernel tells who computes the checksum, in line: 0; 1: by helpers. What is left of a packet to
 * be summed up by its sender's device (CHECKSUM_PARTIAL) is the sum of the pseudo-header, not complemented.
 */
inline_always int rewrite_inline(struct __sk_buff *ctx, struct packet *p, struct nat_entry *to, __u32 offset)
{
	void *data = packet_data(ctx), *end = packet_end(ctx);
	__u32 summed = skb_summed(ctx), udp = p->protocol == IPPROTO_UDP;
	__u64 change = addresses_change(p, to);
	__u16 *check;
	void *l4;

	if (summed == SUMMED_COMPLETE)
		return 1;
	l4 = data + offset;
	if (udp) {
		if (l4 + UDP_SIZE > end)
			return 1;
		check = l4 + UDP_CHECK;
	} else {
		if (p->protocol != IPPROTO_TCP || l4 + TCP_SIZE > end)
			return 1;
		check = l4 + TCP_CHECK;
	}
	if (addresses_write(ctx, p, to, change) < 0)
		return 1;
	*(__u32 *)l4 = to->source_port | (__u32)to->destination_port << 16;
	if (summed == SUMMED_PARTIAL) {
		*check = sum_fold(*check + change);
	} else if (!udp || *check) {
		__u16 changed = sum_apply(*check, change + ports_change(p, to));

		*check = udp && !changed ? 0xffff : changed;
	}
	return 0;
}

/* By helpers: whatever has ports or an identifier, and what has not; fragments but the first only have addresses. */
inline_always int rewrite_slow(struct __sk_buff *ctx, struct packet *p, struct nat_entry *to, __u32 offset)
{
	__u64 addresses = addresses_change(p, to), ports = 0;
	__u32 check = check_offset(p->protocol);
	int result;

	result = addresses_write(ctx, p, to, addresses);
	if (result < 0 || (p->traits & TRAIT_LATER_FRAGMENT))
		return result;
	if (p->source_port != to->source_port || p->destination_port != to->destination_port) {
		ports = ports_change(p, to);
		result = ports_write(ctx, p, to, offset);
		if (result < 0)
			return result;
	}
	return check ? checksum_replace(ctx, p, offset + check, addresses, ports) : 0;
}

/* Makes the packet in hand what the entry in work says. The packet's description stays that of what came in. */
__attribute__((noinline)) int nat_rewrite(struct __sk_buff *ctx)
{
	struct packet *p = packet_scratch();
	struct nat_work *work = nat_scratch();
	__u32 offset;

	if (!p || !work)
		return -DROP_INTERNAL;
	offset = p->l4_offset & 0x3ff;
	if (!(p->traits & TRAIT_LATER_FRAGMENT) && !rewrite_inline(ctx, p, &work->entry, offset))
		return 0;
	return rewrite_slow(ctx, p, &work->entry, offset);
}

/* Writes a 16-bit word and gives what that changes in a sum over it. */
inline_always int word_replace(struct __sk_buff *ctx, __u32 offset, __u16 old, __u16 new, __u64 *change)
{
	if (old == new)
		return 0;
	*change += sum_change2(old, new);
	return bpf_skb_store_bytes(ctx, offset, &new, sizeof(new), 0) < 0 ? -DROP_WRITE_ERROR : 0;
}

/* The quoted transport header: it travelled the other way. `change` gathers what changes in the error's checksum. */
inline_always int quoted_rewrite(struct __sk_buff *ctx, struct packet *p, struct nat_entry *to, __u32 offset,
				 __u64 addresses, __u64 *change)
{
	__u64 all = ports_change(p, to);
	__u32 check = check_offset(p->protocol);
	__u16 old;
	int result = 0;

	if (p->protocol != IPPROTO_ICMP)
		all += addresses;
	if (check && offset + check + 2 <= p->limit) {
		if (bpf_skb_load_bytes(ctx, offset + check, &old, sizeof(old)) < 0)
			return -DROP_TRUNCATED;
		if (old || p->protocol != IPPROTO_UDP)
			result = word_replace(ctx, offset + check, old, sum_apply(old, all), change);
		if (result < 0)
			return result;
	}
	if (p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP || p->protocol == IPPROTO_SCTP) {
		result = word_replace(ctx, offset, p->destination_port, to->destination_port, change);
		if (result < 0)
			return result;
		return word_replace(ctx, offset + 2, p->source_port, to->source_port, change);
	}
	if (p->role == ROLE_RESPONDER)
		return word_replace(ctx, offset + ICMP_ID, p->destination_port, to->destination_port, change);
	if (p->role == ROLE_REQUESTER)
		return word_replace(ctx, offset + ICMP_ID, p->source_port, to->source_port, change);
	return 0;
}

/* The addresses of the quoted packet; gives the offset of its transport header, or < 0. */
inline_always int quoted_addresses(struct __sk_buff *ctx, struct packet *p, struct nat_entry *to, __u32 offset,
				   __u64 addresses, __u64 *change)
{
	__u32 pair[8];
	int walked;
	__u8 first;
	__u16 check;

	if (p->traits & TRAIT_IPV6) {
		if (bpf_skb_load_bytes(ctx, offset + 6, &first, sizeof(first)) < 0)
			return -DROP_TRUNCATED;
		walked = ipv6_walk(ctx, offset + IPV6_SIZE, first);
		if (walked < 0)
			return walked;
		__builtin_memcpy(pair, to->destination, ADDRESS_SIZE);
		__builtin_memcpy(pair + 4, to->source, ADDRESS_SIZE);
		if (bpf_skb_store_bytes(ctx, offset + 8, pair, 2 * ADDRESS_SIZE, 0) < 0)
			return -DROP_WRITE_ERROR;
		*change += addresses;
		return walked & 0xffff;
	}
	if (bpf_skb_load_bytes(ctx, offset, &first, sizeof(first)) < 0 ||
	    bpf_skb_load_bytes(ctx, offset + 10, &check, sizeof(check)) < 0)
		return -DROP_TRUNCATED;
	pair[0] = words(to->destination)[3];
	pair[1] = words(to->source)[3];
	/* what the addresses change in the error's checksum, the header's own checksum takes back */
	check = sum_apply(check, addresses);
	if (bpf_skb_store_bytes(ctx, offset + 12, pair, 8, 0) < 0 ||
	    bpf_skb_store_bytes(ctx, offset + 10, &check, sizeof(check), 0) < 0)
		return -DROP_WRITE_ERROR;
	return offset + (first & 0x0f) * 4;
}

/*
 * An ICMP error, whose description is that of a packet which answers the quoted one: both are translated. The error's
 * own source is, where the far end itself sent it; a router's stays.
 */
__attribute__((noinline)) int nat_rewrite_related(struct __sk_buff *ctx)
{
	struct packet *p = packet_scratch();
	struct nat_work *work = nat_scratch();
	__u64 addresses, outer, change = 0;
	struct nat_entry *to;
	__u32 l4;
	int offset;

	if (!p || !work)
		return -DROP_INTERNAL;
	to = &work->entry;
	l4 = p->l4_offset & 0x3ff;
	addresses = addresses_change(p, to);
	offset = quoted_addresses(ctx, p, to, l4 + ICMP_SIZE, addresses, &change);
	if (offset < 0)
		return offset;
	offset = quoted_rewrite(ctx, p, to, offset, addresses, &change);
	if (offset < 0)
		return offset;
	/* a router's own address stays */
	if (!address_equal(p->outer_source, p->source)) {
		address_copy(to->source, p->outer_source);
		address_copy(p->source, p->outer_source);
	}
	outer = addresses_change(p, to);
	offset = addresses_write(ctx, p, to, outer);
	if (offset < 0)
		return offset;
	l4 += ICMP_CHECK;
	if (change && bpf_l4_csum_replace(ctx, l4, 0, sum_fold32(change), 0) < 0)
		return -DROP_L4_CHECKSUM;
	if (!(p->traits & TRAIT_IPV6))
		return 0;
	if (bpf_l4_csum_replace(ctx, l4, 0, sum_fold32(outer), BPF_F_PSEUDO_HDR) < 0)
		return -DROP_L4_CHECKSUM;
	bpf_csum_update(ctx, sum_fold32(outer));
	return 0;
}
