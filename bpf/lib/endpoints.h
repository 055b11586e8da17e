// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Who is local: device -> slot, and what belongs to a slot. */
#pragma once

#include "lib/common.h"

#define MAX_ENDPOINTS 4096
#define MAX_DENSE_DEVICES 65536

enum endpoint_flag {
	ENDPOINT_IPV4 = 1,
	ENDPOINT_IPV6 = 2,
};

/*
 * Rewritten only while the slot is inactive (generation 0 in its cell): a 64-byte element is seen torn. mac (the pod's
 * end) and host_mac (the host's end) lie side by side as in the Ethernet header of a packet to the pod.
 */
struct endpoint_info {
	__u8 address6[ADDRESS_SIZE];
	__u8 address4[ADDRESS_SIZE];
	__u32 ifindex;
	__s32 netns_id;
	__u16 endpoint_id;
	__u16 mtu;
	__u8 mac[6];
	__u8 host_mac[6];
	__u16 flags;
	__u8 reserved[6];
};

/* By ifindex: slot + 1; 0 is no endpoint. The agent chooses dense ifindexes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_DENSE_DEVICES);
	__type(key, __u32);
	__type(value, __u32);
} cilium_devices SEC(".maps");

/* The same for devices whose ifindex is beyond the array. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_ENDPOINTS);
	__type(key, __u32);
	__type(value, __u32);
} cilium_devices_sparse SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_ENDPOINTS);
	__type(key, __u32);
	__type(value, struct endpoint_info);
} cilium_endpoints SEC(".maps");

#define NO_SLOT 0xffffffffu

/* slot + 1 of the device, or 0. */
inline_always __u32 device_slot(__u32 ifindex)
{
	__u32 *slot;

	if (likely(ifindex < MAX_DENSE_DEVICES)) {
		slot = bpf_map_lookup_elem(&cilium_devices, &ifindex);
		/* keeps the compiler from making one call of both: with two maps in it the kernel could not inline it */
		asm volatile("" : "+r"(slot));
	} else {
		slot = bpf_map_lookup_elem(&cilium_devices_sparse, &ifindex);
	}
	return slot ? *slot : 0;
}
