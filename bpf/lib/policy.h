// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Policy in rows: one hash look-up per direction leads to a row, a binary search in the row to the verdict. */
#pragma once

#include "lib/common.h"
#include "lib/node.h"

#define MAX_POLICY_ENTRIES 131072
#define MAX_ROW_BOUNDARIES 262144
/* A row reference is offset << ROW_COUNT_BITS | count, count 1..1024; 0 is "no policy". */
#define ROW_COUNT_BITS 11
#define MAX_ROW_LENGTH 1024

enum policy_direction {
	POLICY_INGRESS = 0,
	POLICY_EGRESS = 1,
};

struct policy_key {
	__u32 version;
	__u32 direction;
	__u32 identity;
};

struct policy_value {
	__u32 row;
};

/* A verdict: bits 0-7 action, 8-15 match type, 16-31 proxy port (0 for now). */
enum verdict_action {
	ACTION_DENY_DEFAULT = 0,
	ACTION_ALLOW = 1,
	ACTION_DENY = 2,
	ACTION_NO_POLICY = 255, /* never in a map: there was no row */
};

enum match_type {
	MATCH_NONE = 0,
	MATCH_L3_ONLY = 1,
	MATCH_L3_L4 = 2,
	MATCH_L4_ONLY = 3,
	MATCH_ALL = 4,
	MATCH_L3_PROTO = 5,
	MATCH_PROTO_ONLY = 6,
};

/* start: protocol << 16 | port (TCP, UDP, SCTP) or ICMP type, else 0. A run reaches to the next start; the first is 0. */
struct row_boundary {
	__u32 start;
	__u32 verdict;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_POLICY_ENTRIES);
	__type(key, struct policy_key);
	__type(value, struct policy_value);
} cilium_policy SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_ROW_BOUNDARIES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct row_boundary);
} cilium_rows SEC(".maps");

/*
 * One step of the search for the last boundary whose start is not above `start`: `low` always satisfies that, for the
 * first boundary of a row starts at 0.
 */
#define ROW_STEP(step)                                                        \
	do {                                                                  \
		if (low + (step) < count) {                                   \
			__u32 index = offset + low + (step);                  \
			struct row_boundary *boundary;                        \
								      \
			boundary = bpf_map_lookup_elem(&cilium_rows, &index); \
			if (boundary && boundary->start <= start)             \
				low += (step);                                \
		}                                                             \
	} while (0)

/* Judges by this one row. */
inline_always __u32 row_verdict(__u32 row, __u32 start)
{
	__u32 offset = row >> ROW_COUNT_BITS;
	__u32 count = row & ((1 << ROW_COUNT_BITS) - 1);
	struct row_boundary *boundary;
	__u32 low = 0;

	if (!row)
		return ACTION_NO_POLICY;
	if (count > 16) {
		ROW_STEP(512);
		ROW_STEP(256);
		ROW_STEP(128);
		ROW_STEP(64);
		ROW_STEP(32);
		ROW_STEP(16);
	}
	if (count > 1) {
		ROW_STEP(8);
		ROW_STEP(4);
		ROW_STEP(2);
		ROW_STEP(1);
	}
	low += offset;
	boundary = bpf_map_lookup_elem(&cilium_rows, &low);
	return boundary ? boundary->verdict : ACTION_NO_POLICY;
}

#define POLICY_ANY_ONLY 2

/*
 * Verdict of one direction of a policy on one peer; `how` is enum policy_direction, with POLICY_ANY_ONLY where the
 * policy has no entry but the any-row.
 */
inline_always __u32 policy_verdict(__u32 version, __u32 identity, __u32 any_row, __u32 start, __u32 how)
{
	__u32 row = any_row;

	if (!(how & POLICY_ANY_ONLY)) {
		/* the key is compared by eight bytes: written so too, the load need not wait for the stores */
		__u64 key[2] = { version | (__u64)(how & 1) << 32, identity };
		struct policy_value *value = bpf_map_lookup_elem(&cilium_policy, key);

		if (value)
			row = value->row;
	}
	return row_verdict(row, start);
}
