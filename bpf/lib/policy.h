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
