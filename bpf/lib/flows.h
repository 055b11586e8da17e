// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The flow table: one entry for both directions of a flow that needs no rewrite. */
#pragma once

#include "lib/common.h"
#include "lib/config.h"
#include "lib/node.h"
#include "lib/ticks.h"

#define MAX_FLOWS 131072

/*
 * Canonical: end 0 is the smaller address, compared as little-endian u64, bytes 8..15 first, then bytes 0..7, then the
 * ports as little-endian u16 (as they lie in memory, in network order).
 * Ports are as in the packet. ICMP: the requester's is the identifier, the responder's 0; kind is 0 for echo, else the
 * type of the request (ports of one-way messages are 0); requester says which end asks, 1 + its number, for the
 * identifier may be 0 too. Other protocols have ports 0.
 */
struct flow_key {
	__u8 address0[ADDRESS_SIZE];
	__u8 address1[ADDRESS_SIZE];
	__be16 port0;
	__be16 port1;
	__u8 protocol;
	__u8 kind;
	__u16 requester;
};

/* flow.end: slot + 1 of a local endpoint, or FLOW_REMOTE | bucket of a remote address. */
#define FLOW_REMOTE 0x80000000u

/* flow.decision: bits 0-29 and 30-59 the low 30 bits of the revisions of ends 0 and 1 (0 for a remote end), 60-63: */
#define REVISION_BITS 30
#define REVISION_MASK ((1ull << REVISION_BITS) - 1)
#define REVISIONS_MASK ((1ull << (2 * REVISION_BITS)) - 1)
#define DECISION_ALLOWED (1ull << 60)
#define DECISION_AUDITED (1ull << 61)

enum flow_state {
	FLOW_FIN_0 = 1, /* end 0 sent FIN (or SCTP's last word) */
	FLOW_FIN_1 = 2,
	FLOW_RESET = 4,
	FLOW_CONFIRMED = 8, /* TCP: a segment without SYN was seen */
	FLOW_HALF = 16, /* behind a service: no answer yet, so the flow has this entry only */
};

enum flow_flag {
	FLOW_VIA_STACK = 1, /* first seen coming out of the stack: netfilter must see both ways */
	FLOW_LATE = 2, /* the remote address is the node's by the kernel's word only: decided again for each packet */
	FLOW_SERVICE = 4, /* to a service: backend_generation belongs to the index in state */
	FLOW_REPLY_REWRITE = 8, /* the same flow behind the service: rewrite_address and _port are the source of replies */
	FLOW_HAIRPIN = 16, /* of those two: the backend is the client, who sees itself as the loopback address */
	FLOW_PORT = 32, /* of those two: the backend sees another port of the client: other_port is the client's new one */
};

/*
 * A flow to a service has two entries. That under (client, service) leads its packets to the backend; that under
 * (client, backend) gives packets of the backend the service's address and port as source, and lets those of the client
 * pass, which are translated already and come by again out of the stack. In both, what is said of the end that is not
 * the client is said of the backend, and the state has its index, from bit FLOW_BACKEND_SHIFT on: either is created again
 * from the other.
 *
 * A SYN writes the second only, marked FLOW_HALF; the first comes with the backend's first answer, before the client can
 * send anything that needs it. What is refused or never answered so costs one entry.
 *
 * Where the second one's key is that of another live flow, for the client has one port to two services with this backend,
 * the backend sees the client under another port (FLOW_PORT).
 */
#define FLOW_BACKEND_SHIFT 8
#define FLOW_STATES ((1u << FLOW_BACKEND_SHIFT) - 1)

/*
 * What established packets need, but for those that get a service's address as source, comes first: the rest lies in
 * another cache line.
 */
struct flow {
	__u64 decision; /* changed by one compare-and-swap */
	__u32 generation[2]; /* of the slot, or the counter of the bucket */
	__u32 end[2];
	__u32 last_seen; /* ticks */
	__u32 state;
	__u8 began; /* the end that began */
	__u8 reserved;
	__u16 flags;
	__u32 backend_generation; /* FLOW_SERVICE */
	__u32 identity[2];
	__u8 rewrite_address[ADDRESS_SIZE]; /* FLOW_REPLY_REWRITE, and rewrite_port: the service's */
	__be16 rewrite_port;
	__u16 rewrite_id; /* of the service */
	__be16 other_port; /* FLOW_PORT: what the client's becomes, for the backend or back; else 0 */
	/*
	 * Fills the kernel's element (48 bytes of its own, 40 of key) to three cache lines of 64, so that what a hit reads,
	 * the first 40 bytes, shares two with hash and key: otherwise three.
	 */
	__u8 line[34];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_FLOWS);
	__type(key, struct flow_key);
	__type(value, struct flow);
} cilium_flows SEC(".maps");
