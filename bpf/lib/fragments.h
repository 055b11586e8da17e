// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Ports of fragmented datagrams, so that every fragment finds its flow. */
#pragma once

#include "lib/common.h"

#define MAX_FRAGMENTS 8192

struct fragment_key {
	__u8 source[ADDRESS_SIZE];
	__u8 destination[ADDRESS_SIZE];
	__u32 id; /* as in the packet */
	__u8 protocol; /* of the fragmentable part; its last header's is in the value */
	__u8 reserved[3];
};

struct fragment {
	__be16 source_port;
	__be16 destination_port;
	__u8 protocol;
	__u8 kind;
	__u8 icmp_type;
	__u8 traits;
	__u32 seen; /* as flow.last_seen */
	__u32 role; /* enum icmp_role of the source */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_FRAGMENTS);
	__type(key, struct fragment_key);
	__type(value, struct fragment);
} cilium_fragments SEC(".maps");
