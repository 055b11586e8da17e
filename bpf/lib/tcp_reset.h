// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Resets that the programs send themselves, in the name of whom a connection was with. */
#pragma once

#include "lib/checksum.h"
#include "lib/icmp_answer.h"
#include "lib/packet.h"
#include "lib/parse.h"
#include "lib/skb.h"

#define TCP_ACK_NUMBER 8
#define TCP_HEADER_WORDS 5
#define IPV4_DONT_FRAGMENT 0x4000

/* A segment within a connection, whose sender believes a reset with the number that it has acknowledged (RFC 9293, 3.10.7). */
inline_always int is_resettable(struct packet *p)
{
	return p->protocol == IPPROTO_TCP && !(p->traits & (TRAIT_RELATED | TRAIT_LATER_FRAGMENT)) &&
	       (p->tcp_flags & (TCP_SYN | TCP_RST | TCP_ACK)) == TCP_ACK;
}

/* The five words of the TCP header at `t`; `sum` is that of the pseudo-header. */
inline_always void reset_fill(struct packet *p, __u32 *t, __u32 acknowledged, __u64 sum, __u32 summed)
{
	t[0] = p->destination_port | (__u32)p->source_port << 16;
	t[1] = acknowledged;
	t[2] = 0;
	t[3] = bpf_htonl(TCP_HEADER_WORDS << 28 | TCP_RST << 16);
	t[4] = 0;
	sum += bpf_htonl(IPPROTO_TCP);
	sum += bpf_htonl(TCP_SIZE);
	/* where the rest is still to be added by a device, the sum begins with the pseudo-header's (CHECKSUM_PARTIAL) */
	if (summed == SUMMED_PARTIAL) {
		t[4] = sum_fold(sum);
		return;
	}
	sum += (__u32)bpf_csum_diff(0, 0, t, TCP_SIZE, 0);
	t[4] = (__u16)~sum_fold(sum);
}

inline_always void reset4_fill(struct packet *p, __u32 *h, __u32 acknowledged, __u32 summed)
{
	h[0] = bpf_htonl(0x45000000 | (IPV4_SIZE + TCP_SIZE));
	h[1] = bpf_htonl(IPV4_DONT_FRAGMENT);
	h[2] = bpf_htonl(ANSWER_TTL << 24 | IPPROTO_TCP << 16);
	h[3] = words(p->destination)[3];
	h[4] = words(p->source)[3];
	h[2] |= (__u32)(__u16)~sum_fold((__u32)bpf_csum_diff(0, 0, h, IPV4_SIZE, 0)) << 16;
	reset_fill(p, h + IPV4_SIZE / 4, acknowledged, (__u64)h[3] + h[4], summed);
}

inline_always void reset6_fill(struct packet *p, __u32 *h, __u32 acknowledged, __u32 summed)
{
	h[0] = bpf_htonl(0x60000000);
	h[1] = bpf_htonl(TCP_SIZE << 16 | IPPROTO_TCP << 8 | ANSWER_TTL);
	address_copy(h + 2, p->destination);
	address_copy(h + 6, p->source);
	reset_fill(p, h + IPV6_SIZE / 4, acknowledged, (__u32)bpf_csum_diff(0, 0, h + 2, 2 * ADDRESS_SIZE, 0), summed);
}

/*
 * Turns the segment in hand, as it came in, into a reset to its sender, from the address and port it was sent to. 0, or
 * < 0 where none is sent: the segment opens or resets itself, or has options of IPv4 or extension headers, which nobody
 * wants back.
 */
__attribute__((noinline)) int tcp_reset_build(struct __sk_buff *ctx)
{
	struct packet *p = packet_scratch();
	struct icmp_answer *answer = answer_scratch();
	__u32 acknowledged, ipv6, summed, size;
	__u8 mac[12] __attribute__((aligned(4)));

	if (!p || !answer)
		return -DROP_INTERNAL;
	if (!is_resettable(p))
		return -DROP_NO_SERVICE;
	ipv6 = p->traits & TRAIT_IPV6;
	size = ETHERNET_SIZE + (ipv6 ? IPV6_SIZE : IPV4_SIZE);
	if (p->l4_offset != size)
		return -DROP_NO_SERVICE;
	if (bpf_skb_load_bytes(ctx, size + TCP_ACK_NUMBER, &acknowledged, sizeof(acknowledged)) < 0 ||
	    bpf_skb_load_bytes(ctx, 0, mac, sizeof(mac)) < 0)
		return -DROP_TRUNCATED;
	summed = skb_summed(ctx);
	if (ipv6)
		reset6_fill(p, words(answer->quote), acknowledged, summed);
	else
		reset4_fill(p, words(answer->quote), acknowledged, summed);
	if (bpf_skb_change_tail(ctx, size + TCP_SIZE, 0) < 0)
		return -DROP_WRITE_ERROR;
	if (bpf_skb_store_bytes(ctx, 0, mac + 6, 6, 0) < 0 || bpf_skb_store_bytes(ctx, 6, mac, 6, 0) < 0)
		return -DROP_WRITE_ERROR;
	if (ipv6) {
		if (bpf_skb_store_bytes(ctx, ETHERNET_SIZE, answer->quote, IPV6_SIZE + TCP_SIZE, 0) < 0)
			return -DROP_WRITE_ERROR;
	} else {
		if (bpf_skb_store_bytes(ctx, ETHERNET_SIZE, answer->quote, IPV4_SIZE + TCP_SIZE, 0) < 0)
			return -DROP_WRITE_ERROR;
	}
	return 0;
}
