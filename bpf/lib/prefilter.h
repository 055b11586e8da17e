// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The CIDR prefilter: sources that are denied before anything else looks at their packets. Single addresses in hashes,
 * prefixes in tries, one of each per family. Written by xdp/prefilter.ts of datapath-programs.
 *
 * A change of the list, however long, is in force from one packet to the next: entries carry the revisions between
 * which they deny, and one store of the revision switches all of them.
 */
#pragma once

#include "lib/common.h"

/* Per family, unless chosen otherwise at start. */
#define MAX_DENIED_ADDRESSES 65536
#define MAX_DENIED_PREFIXES 65536

/* In force while since <= revision < until. */
struct denied {
	__u32 since;
	__u32 until; /* DENIED_FOREVER: not about to end */
	/* The same for being on the list, for readers: a prefix that leaves it goes on denying what a shorter one denies. */
	__u32 listed_since;
	__u32 listed_until;
};

#define DENIED_FOREVER 0xffffffffu

struct denied_address4 {
	__be32 address;
};

struct denied_address6 {
	__u8 address[ADDRESS_SIZE];
};

struct denied_prefix4 {
	__u32 prefixlen;
	__be32 address;
};

struct denied_prefix6 {
	__u32 prefixlen;
	__u8 address[ADDRESS_SIZE];
};

/* Which lists hold anything: others are not looked into. */
enum prefilter_list {
	PREFILTER_ADDRESSES4 = 1,
	PREFILTER_PREFIXES4 = 2,
	PREFILTER_ADDRESSES6 = 4,
	PREFILTER_PREFIXES6 = 8,
};

struct prefilter {
	__u64 revision; /* changed by one store; 0: never written */
	__u64 lists; /* enum prefilter_list: set before the revision that needs it, cleared after the last entry has gone */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct prefilter);
} cilium_prefilter SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_DENIED_ADDRESSES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct denied_address4);
	__type(value, struct denied);
} cilium_denied_addresses4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_DENIED_ADDRESSES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct denied_address6);
	__type(value, struct denied);
} cilium_denied_addresses6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, MAX_DENIED_PREFIXES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct denied_prefix4);
	__type(value, struct denied);
} cilium_denied_prefixes4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, MAX_DENIED_PREFIXES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct denied_prefix6);
	__type(value, struct denied);
} cilium_denied_prefixes6 SEC(".maps");

inline_always int denied_now(struct denied *denied, __u32 revision)
{
	return denied && denied->since <= revision && revision < denied->until;
}

inline_always struct prefilter *prefilter_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&cilium_prefilter, &zero);
}

/* Whether the list denies this source. The revision is read once: all of a change counts, or nothing of it. */
inline_always int prefilter4(__be32 source)
{
	struct prefilter *state = prefilter_get();
	__u64 lists;
	__u32 revision;

	if (!state)
		return 0;
	lists = *(volatile __u64 *)&state->lists;
	if (!(lists & (PREFILTER_ADDRESSES4 | PREFILTER_PREFIXES4)))
		return 0;
	revision = *(volatile __u64 *)&state->revision;
	if (lists & PREFILTER_ADDRESSES4) {
		struct denied_address4 key = { .address = source };

		if (denied_now(bpf_map_lookup_elem(&cilium_denied_addresses4, &key), revision))
			return 1;
	}
	if (lists & PREFILTER_PREFIXES4) {
		struct denied_prefix4 key = { .prefixlen = 32, .address = source };

		if (denied_now(bpf_map_lookup_elem(&cilium_denied_prefixes4, &key), revision))
			return 1;
	}
	return 0;
}

inline_always int prefilter6(__u32 *source)
{
	struct prefilter *state = prefilter_get();
	__u64 lists;
	__u32 revision;

	if (!state)
		return 0;
	lists = *(volatile __u64 *)&state->lists;
	if (!(lists & (PREFILTER_ADDRESSES6 | PREFILTER_PREFIXES6)))
		return 0;
	revision = *(volatile __u64 *)&state->revision;
	if (lists & PREFILTER_ADDRESSES6) {
		struct denied_address6 key;

		words(key.address)[0] = source[0];
		words(key.address)[1] = source[1];
		words(key.address)[2] = source[2];
		words(key.address)[3] = source[3];
		if (denied_now(bpf_map_lookup_elem(&cilium_denied_addresses6, &key), revision))
			return 1;
	}
	if (lists & PREFILTER_PREFIXES6) {
		struct denied_prefix6 key;

		key.prefixlen = 128;
		words(key.address)[0] = source[0];
		words(key.address)[1] = source[1];
		words(key.address)[2] = source[2];
		words(key.address)[3] = source[3];
		if (denied_now(bpf_map_lookup_elem(&cilium_denied_prefixes6, &key), revision))
			return 1;
	}
	return 0;
}
