// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The node's devices to the outside, and the addresses that packets leaving by them are given. */
#pragma once

#include "lib/common.h"

#define MAX_NODE_DEVICES 256

enum masquerade_flag {
	MASQUERADE_IPV4 = 1, /* endpoints' packets leave with the node's address */
	MASQUERADE_IPV6 = 2,
};

struct node_device {
	__u8 address4[ADDRESS_SIZE]; /* all 0: none */
	__u8 address6[ADDRESS_SIZE];
	__u32 flags;
	__u32 reserved;
};

/* By ifindex. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_NODE_DEVICES);
	__type(key, __u32);
	__type(value, struct node_device);
} cilium_node_devices SEC(".maps");

/* Copies the address that packets leaving by this device get. 0: it has none of this family. */
inline_always int node_device_address(__u32 ifindex, __u32 ipv6, void *to)
{
	struct node_device *device = bpf_map_lookup_elem(&cilium_node_devices, &ifindex);

	if (!device)
		return 0;
	if (ipv6) {
		if (!halves(device->address6)[0] && !halves(device->address6)[1])
			return 0;
		address_copy(to, device->address6);
	} else {
		if (!is_mapped(device->address4))
			return 0;
		address_copy(to, device->address4);
	}
	return 1;
}
