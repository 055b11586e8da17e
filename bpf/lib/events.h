// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What happened to packets worth a word: drops, verdicts, first packets. */
#pragma once

#include "lib/common.h"
#include "lib/config.h"
#include "lib/metrics.h"

#define EVENT_RING_SIZE (8 * 1024 * 1024)
#define EVENT_VERSION 1

/* The numbers of Cilium's messages. One record serves as verdict and trace: see EVENT_WITH_TRACE. */
enum event_type {
	EVENT_DROP = 1,
	EVENT_TRACE = 4,
	EVENT_VERDICT = 5,
};

/* Where the packet went (Cilium's trace points). */
enum trace_point {
	TRACE_TO_ENDPOINT = 0,
	TRACE_TO_HOST = 2,
	TRACE_TO_STACK = 3,
	TRACE_NONE = 255, /* dropped */
};

enum event_flag {
	EVENT_IPV6 = 1,
	EVENT_WITH_TRACE = 2, /* an EVENT_VERDICT that also says where the first packet went */
	EVENT_AUDITED = 4, /* policy denied, audit mode let it through */
	EVENT_REPLY = 8, /* the packet travels against the direction in which its flow began */
	EVENT_RELATED = 16, /* an ICMP error; addresses and ports are those of the flow it belongs to */
	EVENT_FRAGMENT = 32,
	EVENT_EGRESS_JUDGED = 64, /* egress_verdict is meaningful */
	EVENT_INGRESS_JUDGED = 128,
	EVENT_TUPLE = 256, /* addresses and protocol are known, ports where parsing got that far; else only ethertype */
	EVENT_RECOVERED = 512, /* the flow was found again by the local end's socket */
};

struct event {
	__u64 timestamp; /* CLOCK_MONOTONIC, nanoseconds */
	__u8 type;
	__u8 version;
	__u8 reason; /* enum drop_reason, 0 when not dropped */
	__u8 direction; /* enum direction: the check that refused; for allowed flows the program's own */
	__u16 flags;
	__u8 point; /* enum trace_point */
	__u8 protocol;
	__u32 source_identity;
	__u32 destination_identity;
	__u16 source_endpoint; /* endpoint id, 0: not local */
	__u16 destination_endpoint;
	__u32 ifindex;
	__u32 length; /* of the packet, Ethernet header included */
	__u32 egress_verdict; /* as in cilium_rows */
	__u32 ingress_verdict;
	__u16 source_port; /* host order */
	__u16 destination_port;
	__u8 source[ADDRESS_SIZE];
	__u8 destination[ADDRESS_SIZE];
	__u8 tcp_flags;
	__u8 icmp_type;
	__u16 ethertype; /* host order */
	__u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, EVENT_RING_SIZE);
} cilium_events SEC(".maps");
