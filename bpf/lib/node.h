// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The node's epoch, address counters, and the cells that the epoch puts in force. */
#pragma once

#include "lib/common.h"
#include "lib/endpoints.h"

#define ADDRESS_BUCKETS 4096

struct node_state {
	__u64 epoch;
	__u32 addresses_generation;
	__u32 reserved;
	__u32 address_buckets[ADDRESS_BUCKETS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct node_state);
} cilium_node SEC(".maps");

enum cell_flag {
	CELL_INGRESS_ANY_ONLY = 1, /* no entry of cilium_policy for ingress: any_ingress decides */
	CELL_EGRESS_ANY_ONLY = 2,
	CELL_AUDIT = 4, /* what policy denies is let through and reported as audited */
	CELL_LOCKED_DOWN = 8, /* everything is dropped, audit mode or not */
};

struct cell_half {
	__u32 version;
	__u32 revision;
	__u32 identity;
	__u32 generation; /* 0: inactive */
	__u32 any_ingress; /* row reference */
	__u32 any_egress;
	__u32 flags;
	__u32 reserved;
};

/* half[epoch & 1] is in force. */
struct cell {
	struct cell_half half[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_ENDPOINTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct cell);
} cilium_cells SEC(".maps");

inline_always struct node_state *node_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&cilium_node, &zero);
}

inline_always struct cell_half *cell_get(__u32 slot, __u32 parity)
{
	struct cell *cell = bpf_map_lookup_elem(&cilium_cells, &slot);

	return cell ? &cell->half[parity & 1] : 0;
}

/*
 * The bucket of an address: its four 32-bit words, read in memory order (little-endian), exclusive-ored, times
 * 0x9e3779b1 (2^32 divided by the golden ratio: Knuth's multiplicative hash), of which the top 12 bits are kept.
 */
inline_always __u32 address_bucket(void *address)
{
	__u32 *word = words(address);

	return ((word[0] ^ word[1] ^ word[2] ^ word[3]) * 0x9e3779b1u) >> 20;
}

/*
 * The counter that a flow remembers of a remote end. Both terms only ever grow, so their sum changes whenever one of
 * them does.
 */
inline_always __u32 bucket_generation(struct node_state *node, __u32 bucket)
{
	return *(volatile __u32 *)&node->address_buckets[bucket & (ADDRESS_BUCKETS - 1)] +
	       *(volatile __u32 *)&node->addresses_generation;
}
