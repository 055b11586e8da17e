// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What is known of the packet in hand, filled stage by stage.
 *
 * Stages return < 0: the drop reason, negated; 0: continue; > 0: FINAL(action), nothing more to do.
 *
 * The state lives in a per-CPU array: on the stack Linux 6.1 refuses what 6.18 accepts ("combined stack size"), and
 * global functions, which are verified once and not at every call, can share it. One element is enough. The programs
 * run with bottom halves disabled: at ingress of a veth always in softirq context, at egress below dev_queue_xmit,
 * which disables them; so no other packet is looked at on this CPU until the program returns. And they do not nest: the
 * redirect to a peer and the delivery to the stack both happen after the program has returned.
 */
#pragma once

#include <linux/if_ether.h>

#include "lib/addresses.h"
#include "lib/common.h"
#include "lib/drop_reasons.h"
#include "lib/flows.h"
#include "lib/fragments.h"
#include "lib/select.h"

#define FINAL(action) ((action) + 1)
#define FINAL_ACTION(result) ((result) - 1)

#define IPPROTO_ICMP 1
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_ICMPV6 58
#define IPPROTO_SCTP 132

#define ETHERNET_SIZE 14
#define IPV4_SIZE 20
#define IPV6_SIZE 40
#define TCP_SIZE 20
/* What the fast path wants to find in the linear part, and how much it pulls in where that is not there. */
#define LINEAR_IPV4 (ETHERNET_SIZE + IPV4_SIZE + TCP_SIZE)
#define LINEAR_IPV6 (ETHERNET_SIZE + IPV6_SIZE + TCP_SIZE)
#define LINEAR_WANTED (ETHERNET_SIZE + 60 + TCP_SIZE)

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

enum packet_trait {
	TRAIT_IPV6 = 1,
	TRAIT_INITIAL = 2, /* asks for a new flow: SYN, SCTP INIT, echo request; never a reply */
	TRAIT_NO_FLOW = 4, /* judged each time, leaves no entry */
	TRAIT_RELATED = 8, /* ICMP error; addresses and ports are those of the flow, as if it answered in it */
	TRAIT_FRAGMENT = 16,
	TRAIT_LATER_FRAGMENT = 32, /* not the first: ports come from cilium_fragments */
	TRAIT_OPTIONS = 64, /* IPv4 options: the stack has to act on them */
	TRAIT_TUPLE = 128, /* addresses and protocol are known */
	TRAIT_RESOLVED = 256, /* party[] and event_flags are filled */
	TRAIT_RECOVERED = 512,
	TRAIT_REPLY = 1024,
	TRAIT_AUDITED = 2048,
	TRAIT_CLOSES = 4096, /* SCTP: ABORT, SHUTDOWN COMPLETE */
};

/* One end of the packet: [SOURCE] or [DESTINATION]. */
#define SOURCE 0
#define DESTINATION 1

/* What events tell of it, and decisions keep of it. */
struct party {
	__u32 end; /* as in struct flow */
	__u32 identity;
};

/* Of the packet's source, in exchanges of requests and replies. */
enum icmp_role {
	ROLE_NONE = 0,
	ROLE_REQUESTER = 1,
	ROLE_RESPONDER = 2,
};

enum flow_found {
	FOUND_NONE = 0,
	FOUND_EXPIRED = 1,
	FOUND_STALE = 2, /* decided on data that has changed since */
	FOUND_RESTART = 3, /* a new beginning over an entry that has ended or began at the other end */
};

/* What is to be done with the addresses before the packet is delivered. */
enum packet_rewrite {
	REWRITE_NONE = 0,
	REWRITE_SOURCE = 1, /* a reply: rewrite_address and rewrite_port, the service's, become its source */
	REWRITE_DESTINATION = 2, /* a request: they are the backend's, and become its destination */
	REWRITE_HAIRPIN = 4, /* the other side too, from or to the loopback address */
	REWRITE_PORT = 8, /* the other side's port too, to other_port */
};

/* One change of an address and port, for what is not done in line. */
struct change {
	__u8 from[ADDRESS_SIZE];
	__u8 to[ADDRESS_SIZE];
	__be16 from_port;
	__be16 to_port;
	__u32 difference; /* of the address, to a checksum */
};

struct packet {
	struct flow_key key;
	__u8 source[ADDRESS_SIZE];
	__u8 destination[ADDRESS_SIZE];
	__be16 source_port;
	__be16 destination_port;
	union {
		struct {
			__u8 protocol;
			__u8 kind;
			__u8 icmp_type;
			__u8 tcp_flags;
		};
		__u32 protocols;
	};
	__u32 traits;
	__u32 role; /* enum icmp_role */
	__u32 source_index; /* which end of the key sent the packet */
	__u32 slot; /* of the device's endpoint */
	__u32 parity;
	__u32 now; /* ticks */
	__u32 l4_offset;
	__u32 l4_header;
	__u32 limit; /* offset at which the IP packet ends */
	__u32 hop_limit;
	__u32 fragment_id;
	__u32 fragment_offset;
	__u32 fragment_protocol;
	__u32 walk_fragment; /* result of ipv6_walk: 0, FRAGMENT_FIRST or FRAGMENT_LATER */
	/* two that are cleared at once */
	__u32 found aligned_8; /* enum flow_found */
	__u32 rewrite; /* enum packet_rewrite */
	__u32 direction; /* enum direction to blame for a drop */
	__u32 flow_flags; /* of the flow that the packet was found to belong to */
	__u32 peer_end; /* the end that is not this device's endpoint, as in struct flow */
	__u32 peer_generation; /* of that end, where it is remote: read before anything else of it */
	__u32 egress_verdict;
	__u32 ingress_verdict;
	__u32 event_flags;
	__u32 ingress_ifindex; /* 0: the node itself sent it */
	__u8 outer_source[ADDRESS_SIZE];
	struct party party[2];
	struct flow flow; /* to be written */
	__u8 rewrite_address[ADDRESS_SIZE] aligned_8;
	/* the service as the client addressed it, while the backend stands in for it as destination */
	__u8 frontend[ADDRESS_SIZE] aligned_8;
	__be16 rewrite_port;
	__be16 frontend_port;
	__u32 service; /* id */
	__u32 quoted_l4;
	__u32 quoted_offset;
	struct choice choice;
	__u32 partner_index; /* which end of `partner` sent the packet */
	struct flow_key partner aligned_8; /* of the flow's other entry */
	struct flow partner_flow;
	struct change change;
	struct frontend_key frontend_key aligned_8;
	struct affinity_key affinity_key aligned_8;
	struct source_range_key source_range_key aligned_8;
	struct fragment_key fragment_key aligned_8;
	struct prefix_key prefix_key;
	__u32 event_count;
	__be16 other_port; /* for REWRITE_PORT */
	__u16 reserved;
	__u64 barrier;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct packet);
} packet_state SEC(".maps");

inline_always struct packet *packet_scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&packet_state, &zero);
}

/*
 * Orders the reads of the epoch and of address counters before all reads of addresses, policy and rows. An atomic
 * operation that returns a value is a full barrier; its result must be used or the compiler takes the relaxed form.
 */
inline_always void full_barrier(struct packet *p)
{
	__u64 value = __sync_fetch_and_add(&p->barrier, 1);

	asm volatile("" : : "r"(value) : "memory");
}

/*
 * Both orders spelled out: the compiler would otherwise select pointers, which the verifier refuses. The last eight
 * bytes are written at once, for the hash reads them by four: narrower stores could not be forwarded to those loads.
 */
inline_always __u32 key_store(__u64 *key, void *source, __u32 source_port, void *destination, __u32 destination_port,
			      __u64 tail, __u32 role)
{
	__u64 s0 = halves(source)[0], s1 = halves(source)[1];
	__u64 d0 = halves(destination)[0], d1 = halves(destination)[1];
	__u32 swap;

	if (s1 != d1)
		swap = s1 > d1;
	else if (s0 != d0)
		swap = s0 > d0;
	else
		swap = source_port > destination_port;
	if (role)
		tail |= (__u64)(1 + (role == ROLE_REQUESTER ? swap : !swap)) << 48;
	if (swap) {
		key[0] = d0;
		key[1] = d1;
		key[2] = s0;
		key[3] = s1;
		key[4] = tail | destination_port | source_port << 16;
	} else {
		key[0] = s0;
		key[1] = s1;
		key[2] = d0;
		key[3] = d1;
		key[4] = tail | source_port | destination_port << 16;
	}
	return swap;
}

inline_always void key_build(struct packet *p)
{
	p->source_index = key_store((__u64 *)&p->key, p->source, p->source_port, p->destination, p->destination_port,
				    (__u64)p->protocol << 32 | (__u64)p->kind << 40, p->role);
}
