// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Services: which frontend an address and port is, and which backend a flow to it gets. Written by the service writer
 * of datapath-programs. Only cilium_frontends and cilium_source_ranges are hashes that lead packets, which receive
 * nothing but inserts between two grace periods; all else is arrays that programs and writer share by memory. A frontend
 * changes its backends by one 8-byte store (service.target), a backend ends by one 4-byte store (backend.generation).
 *
 * Flows that ran to an address before it was a service's hold on to what was decided then: whoever adds or removes a
 * frontend counts up the bucket of its address (cilium_node.address_buckets; addresses_generation for "every address of
 * this node") afterwards, and they are decided anew.
 */
#pragma once

#include "lib/common.h"
#include "lib/config.h"

#define MAX_FRONTENDS 65536
/* Service ids ("rev-NAT ids"): 1..65535. One id per frontend and scope. */
#define MAX_SERVICES 65536
#define MAX_BACKENDS 131072
#define MAX_SERVICE_RUNS 1048576 /* words */
#define MAX_SOURCE_RANGES 65536
#define MAX_AFFINITIES 65536
/* Bits of the filter of service addresses. */
#define VIP_BITS 20
#define MAX_VIP_WORDS (1 << (VIP_BITS - 6))

enum service_scope {
	SCOPE_EXTERNAL = 0, /* for everybody, unless SERVICE_TWO_SCOPES */
	SCOPE_INTERNAL = 1, /* for clients inside the cluster */
};

/* Protocol 0 and port 0 stand for "any other of this address". Such an entry leads to service SERVICE_WILDCARD. */
struct frontend_key {
	__u8 address[ADDRESS_SIZE]; /* all 0 (IPv4: ::ffff:0.0.0.0): every address of this node */
	__be16 port;
	__u8 protocol;
	__u8 scope; /* enum service_scope */
};

#define SERVICE_WILDCARD 0xffffffffu

struct frontend {
	__u32 service; /* id */
};

/* Cilium's flags, the second byte its flags2. */
enum service_flag {
	SERVICE_EXTERNAL_IP = 1,
	SERVICE_NODE_PORT = 2,
	SERVICE_EXTERNAL_LOCAL = 4, /* externalTrafficPolicy: Local */
	SERVICE_HOST_PORT = 8,
	SERVICE_AFFINITY = 16,
	SERVICE_LOAD_BALANCER = 32,
	SERVICE_ROUTABLE = 64,
	SERVICE_SOURCE_RANGE = 128, /* cilium_source_ranges has prefixes of it */
	SERVICE_LOCAL_REDIRECT = 256,
	SERVICE_INTERNAL_LOCAL = 4096, /* internalTrafficPolicy: Local */
	SERVICE_TWO_SCOPES = 8192, /* clients inside the cluster use the frontend of SCOPE_INTERNAL */
	SERVICE_SOURCE_DENY = 16384, /* the prefixes are refused, others accepted; else the other way round */
	SERVICE_DSR = 32768, /* remote backends answer the client themselves; else this node translates the source too */
	SERVICE_MAGLEV = 65536, /* for readers: the run is a Maglev table */
};

/*
 * Written before a frontend leads here. While one does, only these change, each by one store: target; flags; pool and
 * affinity_timeout together. A program that reads two of them may see one old and one new.
 */
struct service {
	__u64 target; /* run: offset in cilium_service_runs, and its length << 32; 0: no backend. Changed by one store. */
	__u8 address[ADDRESS_SIZE];
	__be16 port;
	__u8 protocol;
	__u8 scope;
	__u32 flags;
	__u32 pool; /* whose backends: services that share them have one pool */
	__u32 affinity_timeout; /* seconds */
	__u32 generation; /* grows each time the id is given away */
	__u8 reserved[20];
};

enum backend_state {
	BACKEND_ACTIVE = 0,
	BACKEND_TERMINATING = 1,
	BACKEND_QUARANTINED = 2,
	BACKEND_MAINTENANCE = 3,
};

/*
 * A backend of one pool. Written while its generation is 0 and no run names it; the generation is stored last, and 0
 * again first of all when the backend ends. Generations of an index only grow: flows remember the one they were given.
 */
struct backend {
	__u8 address[ADDRESS_SIZE];
	__u32 generation; /* 0: none */
	__u32 pool; /* while the generation is 0: the last one */
	__be16 port;
	__u8 protocol;
	__u8 state; /* for readers: what may be chosen stands in the runs */
	__u8 zone;
	__u8 flags;
	__u8 reserved[2];
};

/* A backend by what its packets carry, for a node that is asked to answer in a service's name: see dsr.h. */
struct pool_member {
	__u8 address[ADDRESS_SIZE];
	__u32 pool;
	__be16 port;
	__u8 protocol;
	__u8 reserved;
};

struct source_range_key {
	__u32 prefixlen; /* 32 + 96 + length for IPv4, 32 + length for IPv6 */
	__u32 service;
	__u8 address[ADDRESS_SIZE];
};

struct affinity_key {
	__u8 client[ADDRESS_SIZE]; /* address; at the socket: cookie of the network namespace, then 8 bytes of ff */
	__u32 pool;
	__u32 reserved;
};

struct affinity {
	__u32 backend; /* index */
	__u32 generation;
	__u32 last_used; /* ticks, as flow.last_seen */
	__u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_FRONTENDS);
	__type(key, struct frontend_key);
	__type(value, struct frontend);
} cilium_frontends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_SERVICES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct service);
} cilium_services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_BACKENDS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct backend);
} cilium_backends SEC(".maps");

/*
 * The backends of pools that SERVICE_DSR services have, whichever node they are on; the value is of no meaning. Entries
 * come and go while programs look for others: one that is there may be missed, which costs a client one packet.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_BACKENDS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct pool_member);
	__type(value, __u32);
} cilium_pool_members SEC(".maps");

/*
 * Indexes of backends: weighted sequences and Maglev tables, one run per pool. Two to a word (array elements take at
 * least 8 bytes), the even one in the low half. Offsets and lengths count indexes; offsets are even.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_SERVICE_RUNS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} cilium_service_runs SEC(".maps");

/* One bit per hashed address: clear, and no frontend has the address. The only cost of services to other flows. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_VIP_WORDS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} cilium_vips SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, MAX_SOURCE_RANGES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct source_range_key);
	__type(value, __u32);
} cilium_source_ranges SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_AFFINITIES);
	__type(key, struct affinity_key);
	__type(value, struct affinity);
} cilium_affinities SEC(".maps");

/*
 * Whether a frontend may have this address. Its bit: the top VIP_BITS bits of its four words (memory order,
 * little-endian) exclusive-ored, times 0x9e3779b1.
 */
inline_always int vip_possible(void *address)
{
	__u32 *word = words(address);
	__u32 hash = ((word[0] ^ word[1] ^ word[2] ^ word[3]) * 0x9e3779b1u) >> (32 - VIP_BITS);
	__u32 index = hash >> 6;
	__u64 *bits = bpf_map_lookup_elem(&cilium_vips, &index);

	return bits && (*(volatile __u64 *)bits >> (hash & 63) & 1);
}

inline_always __u32 hash_word(__u32 hash, __u32 word)
{
	word *= 0xcc9e2d51;
	word = word << 15 | word >> 17;
	word *= 0x1b873593;
	hash ^= word;
	hash = hash << 13 | hash >> 19;
	return hash * 5 + 0xe6546b64;
}

/*
 * What chooses a backend: MurmurHash3 (x86, 32 bits) over 24 bytes: the client's 16, source and destination port as in
 * the packet, the protocol as a 32-bit number. With session affinity the source port counts as 0.
 */
inline_always __u32 service_hash(void *client, __be16 source_port, __be16 destination_port, __u32 protocol)
{
	__u32 *word = words(client);
	__u32 hash = config_service_seed;

	hash = hash_word(hash, word[0]);
	hash = hash_word(hash, word[1]);
	hash = hash_word(hash, word[2]);
	hash = hash_word(hash, word[3]);
	hash = hash_word(hash, source_port | (__u32)destination_port << 16);
	hash = hash_word(hash, protocol);
	hash ^= 24;
	hash ^= hash >> 16;
	hash *= 0x85ebca6b;
	hash ^= hash >> 13;
	hash *= 0xc2b2ae35;
	return hash ^ hash >> 16;
}

/* Where in a run of this length: the hash scaled, not its remainder. */
inline_always __u32 run_position(__u32 hash, __u32 length)
{
	return (__u64)hash * length >> 32;
}

/* The index of the backend at this place of the runs. */
inline_always __u32 run_backend(__u32 place)
{
	__u32 index = place >> 1;
	__u64 *word = bpf_map_lookup_elem(&cilium_service_runs, &index);

	if (!word)
		return 0;
	return place & 1 ? *(volatile __u64 *)word >> 32 : *(volatile __u64 *)word;
}
