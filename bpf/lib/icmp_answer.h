// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* ICMP errors that the programs send themselves, for packets that never reach the stack. */
#pragma once

#include "lib/checksum.h"
#include "lib/icmp.h"
#include "lib/packet.h"
#include "lib/parse.h"

#define ICMP4_CODE_PORT 3
#define ICMP4_CODE_FRAG_NEEDED 4
#define ICMP6_CODE_PORT 4
#define ICMP6_PACKET_TOO_BIG 2
#define ICMP6_TIME_EXCEEDED 3
#define ANSWER_TTL 64

/* As much of the packet as an error quotes: headers, and enough of the payload to tell it. */
#define QUOTE_IPV4 96
#define QUOTE_IPV6 128

/* Errors a CPU sends in a second, and how many more after a silence (Cilium's figures). */
#define ANSWER_RATE 100
#define ANSWER_BURST 1000

struct icmp_answer {
	__u8 quote[QUOTE_IPV6];
	__u32 header[12];
	__u32 tokens;
	__u32 last; /* ticks */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct icmp_answer);
} answer_state SEC(".maps");

inline_always struct icmp_answer *answer_scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&answer_state, &zero);
}

inline_always int answer_allowed(struct packet *p, struct icmp_answer *answer)
{
	__u32 passed = p->now - answer->last;
	__u32 earned = ((__u64)passed << FLOW_TICK_SHIFT) * ANSWER_RATE / (config_jiffies_per_second ? config_jiffies_per_second : 1);

	if (passed > timeout_ticks(ANSWER_BURST / ANSWER_RATE) || answer->tokens + earned > ANSWER_BURST)
		answer->tokens = ANSWER_BURST;
	else
		answer->tokens += earned;
	answer->last = p->now;
	if (!answer->tokens)
		return 0;
	answer->tokens--;
	return 1;
}

/* Neither about errors nor about what has no one sender (RFC 1122, 3.2.2; RFC 4443, 2.4). */
inline_always int is_answerable(struct packet *p)
{
	return !(p->traits & (TRAIT_RELATED | TRAIT_LATER_FRAGMENT));
}

inline_always void answer4_fill(struct packet *p, struct icmp_answer *answer, __u32 quoted)
{
	__u32 *h = answer->header;

	h[0] = bpf_htonl(0x45000000 | (IPV4_SIZE + ICMP_SIZE + quoted));
	h[1] = 0;
	h[2] = bpf_htonl(ANSWER_TTL << 24 | IPPROTO_ICMP << 16);
	h[3] = words(p->destination)[3];
	h[4] = words(p->source)[3];
	h[2] |= (__u32)(__u16)~sum_fold(bpf_csum_diff(0, 0, h, IPV4_SIZE, 0)) << 16;
	h[5] |= (__u32)(__u16)~sum_fold((__u64)(__u32)bpf_csum_diff(0, 0, h + 5, ICMP_SIZE, 0) +
					  (__u32)bpf_csum_diff(0, 0, (__u32 *)answer->quote, QUOTE_IPV4, 0)) << 16;
}

inline_always void answer6_fill(struct packet *p, struct icmp_answer *answer, __u32 quoted)
{
	__u32 *h = answer->header;
	__u64 sum;

	h[0] = bpf_htonl(0x60000000);
	h[1] = bpf_htonl((ICMP_SIZE + quoted) << 16 | IPPROTO_ICMPV6 << 8 | ANSWER_TTL);
	address_copy(h + 2, p->destination);
	address_copy(h + 6, p->source);
	sum = (__u32)bpf_csum_diff(0, 0, h + 2, 2 * ADDRESS_SIZE + ICMP_SIZE, 0);
	sum += (__u32)bpf_csum_diff(0, 0, (__u32 *)answer->quote, QUOTE_IPV6, 0);
	sum += bpf_htonl(ICMP_SIZE + quoted);
	sum += bpf_htonl(IPPROTO_ICMPV6);
	h[10] |= (__u32)(__u16)~sum_fold(sum) << 16;
}

/*
 * Turns the packet in hand, as it came in, into an ICMP error to its sender, from the address it was sent to. `what` is
 * type << 8 | code, `info` the second word of the ICMP header. 0, or < 0 where none is to be sent.
 */
__attribute__((noinline)) int icmp_answer_build(struct __sk_buff *ctx, __u32 what, __u32 info)
{
	struct packet *p = packet_scratch();
	struct icmp_answer *answer = answer_scratch();
	__u32 room, quoted, ipv6;
	__u8 mac[12] __attribute__((aligned(4)));

	if (!p || !answer)
		return -DROP_INTERNAL;
	if (!is_answerable(p) || !answer_allowed(p, answer))
		return -DROP_NO_SERVICE;
	ipv6 = p->traits & TRAIT_IPV6;
	room = ipv6 ? IPV6_SIZE + ICMP_SIZE : IPV4_SIZE + ICMP_SIZE;
	quoted = p->limit - ETHERNET_SIZE;
	if (quoted > (ipv6 ? QUOTE_IPV6 : QUOTE_IPV4))
		quoted = ipv6 ? QUOTE_IPV6 : QUOTE_IPV4;
	quoted &= 0xfc;
	if (quoted < IPV4_SIZE || quoted > QUOTE_IPV6)
		return -DROP_INTERNAL;
	__builtin_memset(answer, 0, QUOTE_IPV6 + sizeof(answer->header));
	if (bpf_skb_load_bytes(ctx, ETHERNET_SIZE, answer->quote, quoted) < 0 || bpf_skb_load_bytes(ctx, 0, mac, sizeof(mac)) < 0)
		return -DROP_TRUNCATED;
	if (ipv6) {
		answer->header[10] = bpf_htonl(what << 16);
		answer->header[11] = bpf_htonl(info);
		answer6_fill(p, answer, quoted);
	} else {
		answer->header[5] = bpf_htonl(what << 16);
		answer->header[6] = bpf_htonl(info);
		answer4_fill(p, answer, quoted);
	}
	if (bpf_skb_change_tail(ctx, ETHERNET_SIZE + quoted, 0) < 0 || bpf_skb_adjust_room(ctx, room, BPF_ADJ_ROOM_MAC, 0) < 0)
		return -DROP_WRITE_ERROR;
	if (bpf_skb_store_bytes(ctx, 0, mac + 6, 6, 0) < 0 || bpf_skb_store_bytes(ctx, 6, mac, 6, 0) < 0)
		return -DROP_WRITE_ERROR;
	if (ipv6) {
		if (bpf_skb_store_bytes(ctx, ETHERNET_SIZE, answer->header, IPV6_SIZE + ICMP_SIZE, 0) < 0)
			return -DROP_WRITE_ERROR;
	} else {
		if (bpf_skb_store_bytes(ctx, ETHERNET_SIZE, answer->header, IPV4_SIZE + ICMP_SIZE, 0) < 0)
			return -DROP_WRITE_ERROR;
	}
	return 0;
}
