// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A frame as the device's driver has it: nothing but bytes. */
#pragma once

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "lib/common.h"

#define FRAME_ETHERNET 14
#define VLAN_TAG 4

/* As in packet.h: < 0 drop reason, 0 continue, > 0 final. */
#define XDP_FINAL(action) ((action) + 1)

inline_always void *frame_data(struct xdp_md *ctx)
{
	return (void *)(long)ctx->data;
}

inline_always void *frame_end(struct xdp_md *ctx)
{
	return (void *)(long)ctx->data_end;
}

/* Where the network header is, behind up to two VLAN tags, which drivers leave in the frame; 0: no Ethernet header. */
inline_always __u32 frame_network(struct xdp_md *ctx, __be16 *ethertype)
{
	void *data = frame_data(ctx), *end = frame_end(ctx);
	__be16 type;

	if (data + FRAME_ETHERNET > end)
		return 0;
	type = *(__be16 *)(data + 12);
	*ethertype = type;
	if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
		return FRAME_ETHERNET;
	if (data + FRAME_ETHERNET + VLAN_TAG > end)
		return 0;
	type = *(__be16 *)(data + 16);
	*ethertype = type;
	if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
		return FRAME_ETHERNET + VLAN_TAG;
	if (data + FRAME_ETHERNET + 2 * VLAN_TAG > end)
		return 0;
	*ethertype = *(__be16 *)(data + 20);
	return FRAME_ETHERNET + 2 * VLAN_TAG;
}
