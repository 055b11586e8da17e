// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The Ethernet header of packets that generic XDP has passed on.
 *
 * Where a packet is shared, in fragments or has not 256 bytes of headroom, generic XDP of Linux 6.9 and later copies it
 * into a new one (skb_pp_cow_data), and the length of its link-layer header is not copied. tc ingress, which goes back by
 * that length, then starts at the IP header. Enlarging the packet's head is what sets the length anew.
 */
#pragma once

#include "lib/packet.h"
#include "lib/skb.h"

/* 0, and the packet starts with its Ethernet header again; < 0. */
__attribute__((noinline)) int ethernet_put_back(struct __sk_buff *ctx)
{
	__u8 header[ETHERNET_SIZE];

	if (bpf_skb_load_bytes_relative(ctx, 0, header, ETHERNET_SIZE, BPF_HDR_START_MAC) ||
	    bpf_skb_change_head(ctx, ETHERNET_SIZE, 0) || bpf_skb_store_bytes(ctx, 0, header, ETHERNET_SIZE, 0))
		return -DROP_INTERNAL;
	return 0;
}

/* Before anything else at ingress. 0 or < 0. */
inline_always int ethernet_restore(struct __sk_buff *ctx)
{
	return skb_mac_behind(ctx) == ETHERNET_SIZE ? ethernet_put_back(ctx) : 0;
}
