// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Writing events and counting drops. */
#pragma once

#include "lib/endpoints.h"
#include "lib/events.h"
#include "lib/node.h"
#include "lib/packet.h"

/* Every how many events of a CPU the fill of the ring is looked at: a power of two. */
#define WAKEUP_STRIDE 64

/*
 * A wake-up costs the packet 7-14 us and even the question whether one is due 10 ns, so the consumer polls, and only
 * every 64th event of a CPU looks whether the configured fill (a quarter of the ring) is reached, and then wakes it.
 */
inline_always __u64 event_wakeup(struct packet *p)
{
	if (++p->event_count & (WAKEUP_STRIDE - 1))
		return BPF_RB_NO_WAKEUP;
	if (bpf_ringbuf_query(&cilium_events, BPF_RB_AVAIL_DATA) < config_events_wakeup)
		return BPF_RB_NO_WAKEUP;
	return BPF_RB_FORCE_WAKEUP;
}

inline_always __u16 endpoint_id(__u32 end)
{
	struct endpoint_info *endpoint;

	if (!end || (end & FLOW_REMOTE))
		return 0;
	end -= 1;
	endpoint = bpf_map_lookup_elem(&cilium_endpoints, &end);
	return endpoint ? endpoint->endpoint_id : 0;
}

#define EVENT_WHAT(type, reason, point) ((type) | (__u32)(reason) << 8 | (__u32)(point) << 16)

/* Writes what is known of the packet in hand; a full ring is counted. */
__attribute__((noinline)) int event_emit(struct __sk_buff *ctx, __u32 what)
{
	struct packet *p = packet_scratch();
	struct event *event;
	__u32 flags, traits;

	if (!p)
		return 0;
	event = bpf_ringbuf_reserve(&cilium_events, sizeof(*event), 0);
	if (!event) {
		metric_count(METRIC_EVENT_LOST, p->direction, ctx->len);
		return 0;
	}
	traits = p->traits;
	event->timestamp = bpf_ktime_get_ns();
	event->type = what & 0xff;
	event->version = EVENT_VERSION;
	event->reason = (what >> 8) & 0xff;
	event->direction = p->direction;
	event->point = (what >> 16) & 0xff;
	event->protocol = p->protocol;
	event->source_identity = p->party[SOURCE].identity;
	event->destination_identity = p->party[DESTINATION].identity;
	event->source_endpoint = endpoint_id(p->party[SOURCE].end);
	event->destination_endpoint = endpoint_id(p->party[DESTINATION].end);
	event->ifindex = ctx->ifindex;
	event->length = ctx->len;
	flags = p->event_flags;
	event->egress_verdict = flags & EVENT_EGRESS_JUDGED ? p->egress_verdict : 0;
	event->ingress_verdict = flags & EVENT_INGRESS_JUDGED ? p->ingress_verdict : 0;
	event->source_port = bpf_ntohs(p->source_port);
	event->destination_port = bpf_ntohs(p->destination_port);
	address_copy(event->source, p->source);
	address_copy(event->destination, p->destination);
	event->tcp_flags = p->tcp_flags;
	event->icmp_type = p->icmp_type;
	event->ethertype = bpf_ntohs(ctx->protocol);
	event->reserved = 0;
	if (traits & TRAIT_IPV6)
		flags |= EVENT_IPV6;
	if (traits & TRAIT_AUDITED)
		flags |= EVENT_AUDITED;
	if (traits & TRAIT_REPLY)
		flags |= EVENT_REPLY;
	if (traits & TRAIT_RELATED)
		flags |= EVENT_RELATED;
	if (traits & TRAIT_FRAGMENT)
		flags |= EVENT_FRAGMENT;
	if (traits & TRAIT_TUPLE)
		flags |= EVENT_TUPLE;
	if (traits & TRAIT_RECOVERED)
		flags |= EVENT_RECOVERED;
	event->flags = flags;
	bpf_ringbuf_submit(event, event_wakeup(p));
	return 0;
}

/* Where no decision got as far as naming the parties: the device's endpoint is one of them. */
inline_always void parties_default(struct packet *p, __u32 program)
{
	struct cell_half *own = cell_get(p->slot, p->parity);
	struct party *party = &p->party[program == DIRECTION_INGRESS ? DESTINATION : SOURCE];

	p->event_flags = 0;
	*(__u64 *)&p->party[SOURCE] = 0;
	*(__u64 *)&p->party[DESTINATION] = 0;
	if (own && own->generation) {
		party->end = p->slot + 1;
		party->identity = own->identity;
	}
}

/* Counts and reports a drop; `reason` is positive. Direction and parties are those that the stages left. */
inline_always int packet_drop(struct __sk_buff *ctx, struct packet *p, __u32 reason, __u32 program)
{
	metric_count(reason, p->direction, ctx->len);
	if (!config_events_drop)
		return TC_ACT_SHOT;
	if (!(p->traits & TRAIT_RESOLVED))
		parties_default(p, program);
	event_emit(ctx, EVENT_WHAT(EVENT_DROP, reason, TRACE_NONE));
	return TC_ACT_SHOT;
}
