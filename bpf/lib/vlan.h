// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * VLAN tags of packets in the hands of tc programs. The kernel has moved the outermost one out of the frame before it
 * asks them (skb_vlan_untag), whether the device did so first or not, and looks for the tag's own device after them.
 */
#pragma once

#include "lib/packet.h"

#define VLAN_ID 0x0fff

/*
 * Whether the packet is in another network than those without tag: that of a device on top of this one, whose own
 * programs look at it. Identifier 0 stands for no VLAN but for a priority only (IEEE 802.1Q, 9.6), and the kernel drops
 * the tag where no device has asked for it.
 */
inline_always int vlan_is_another(struct __sk_buff *ctx)
{
	return ctx->vlan_present && (ctx->vlan_tci & VLAN_ID);
}

/* What goes out again goes without the tag: priorities are each link's own. 0 or < 0. */
inline_always int priority_tag_remove(struct __sk_buff *ctx)
{
	return ctx->vlan_present && bpf_skb_vlan_pop(ctx) < 0 ? -DROP_WRITE_ERROR : 0;
}
