// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What a program sees of the kernel's own struct sk_buff, by way of its BTF. */
#pragma once

#include "lib/common.h"
#include <bpf/bpf_core_read.h>

/* The two letters of the kernel's names are kept: CO-RE finds the field by them. */
struct sk_buff___kernel {
	unsigned char *head;
	unsigned char *data;
	__u8 ip_summed : 2;
	__u16 mac_header; /* offset from head */
} __attribute__((preserve_access_index));

/* Linux 6.2. The verifier makes a move of the call. */
extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym __weak;

#define SUMMED_NONE 0
#define SUMMED_UNNECESSARY 1
#define SUMMED_COMPLETE 2
#define SUMMED_PARTIAL 3

/* Who computes the packet's checksum (linux/skbuff.h); where the kernel does not tell, what is for helpers to change. */
inline_always __u32 skb_summed(struct __sk_buff *ctx)
{
	struct sk_buff___kernel *skb;
	__u64 bits;

	if (!bpf_cast_to_kern_ctx)
		return SUMMED_COMPLETE;
	skb = bpf_cast_to_kern_ctx(ctx);
	/* a byte in every kernel; a read for any width of it would be a chain of branches */
	bits = *((const __u8 *)skb + __CORE_RELO(skb, ip_summed, BYTE_OFFSET));
	return bits << __CORE_RELO(skb, ip_summed, LSHIFT_U64) >> __CORE_RELO(skb, ip_summed, RSHIFT_U64);
}

/* Bytes between the link-layer header and what the program sees first; 0 too where the kernel does not tell. */
inline_always __u32 skb_mac_behind(struct __sk_buff *ctx)
{
	struct sk_buff___kernel *skb;

	if (!bpf_cast_to_kern_ctx)
		return 0;
	skb = bpf_cast_to_kern_ctx(ctx);
	return (__u32)((unsigned long)skb->data - (unsigned long)skb->head) - skb->mac_header;
}
