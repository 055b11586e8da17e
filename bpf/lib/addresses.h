// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Who an address belongs to: exact match first, then the longest prefix. */
#pragma once

#include "lib/common.h"
#include "lib/config.h"

#define MAX_ADDRESSES 65536
#define MAX_PREFIXES 65536
#define MAX_REMOTES 131072
/* In address_ref.ref: set, the rest is the slot of a local endpoint; clear, it is an index of cilium_remotes. */
#define ADDRESS_LOCAL 0x80000000u

enum reserved_identity {
	IDENTITY_UNKNOWN = 0,
	IDENTITY_HOST = 1,
	IDENTITY_WORLD = 2,
};

struct address_key {
	__u8 address[ADDRESS_SIZE];
};

struct prefix_key {
	__u32 prefixlen; /* IPv4: 96 + length */
	__u8 address[ADDRESS_SIZE];
};

struct address_ref {
	__u32 ref;
};

enum remote_flag {
	REMOTE_HOST = 1, /* an address of this node */
};

/* Changed by one 8-byte store. */
struct remote_half {
	__u32 identity;
	__u32 flags;
};

/*
 * half[epoch & 1] is in force: addresses change together with policies. Without a change of policies both halves change,
 * one after the other. Index 0 is unused.
 */
struct remote {
	struct remote_half half[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_ADDRESSES);
	__type(key, struct address_key);
	__type(value, struct address_ref);
} cilium_addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, MAX_PREFIXES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix_key);
	__type(value, struct address_ref);
} cilium_prefixes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_REMOTES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct remote);
} cilium_remotes SEC(".maps");
