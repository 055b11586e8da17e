// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The slow path: who are the two ends, what does policy say, and what is remembered of it. */
#pragma once

#include "lib/event_emit.h"
#include "lib/flow_write.h"
#include "lib/judge.h"
#include "lib/packet.h"
#include "lib/recover.h"
#include "lib/resolve.h"

inline_always void flow_report(struct __sk_buff *ctx, struct packet *p, __u32 to_container)
{
	__u32 point = TRACE_TO_STACK;

	if (to_container || (!(p->peer_end & FLOW_REMOTE) && !(p->flow_flags & FLOW_VIA_STACK)))
		point = TRACE_TO_ENDPOINT;
	else if (p->party[DESTINATION].identity == IDENTITY_HOST)
		point = TRACE_TO_HOST;
	if (config_events_verdict) {
		if (config_events_trace)
			p->event_flags |= EVENT_WITH_TRACE;
		event_emit(ctx, EVENT_WHAT(EVENT_VERDICT, 0, point));
	} else if (config_events_trace) {
		event_emit(ctx, EVENT_WHAT(EVENT_TRACE, 0, point));
	}
}

/* Fills both parties, and the policies of those that are local, as of the epoch read at the start. */
inline_always int parties_resolve(struct __sk_buff *ctx, struct packet *p, struct cell_half *own, __u32 forward,
				  const __u32 to_container, struct cell_half **peer)
{
	struct node_state *node = node_get();
	__u32 bucket;
	int result;

	if (!node)
		return -DROP_INTERNAL;
	bucket = address_bucket(to_container ? p->source : p->destination);
	p->peer_generation = bucket_generation(node, bucket);
	full_barrier(p);
	p->event_flags = 0;
	p->traits |= TRAIT_RESOLVED;
	if (to_container) {
		__u32 how = RESOLVE_SOURCE | (p->traits & TRAIT_RELATED ? RESOLVE_QUOTED : forward ? RESOLVE_BEGAN : 0);

		*(__u64 *)&p->party[SOURCE] = 0;
		party_local(&p->party[DESTINATION], p->slot, own);
		result = resolve_remote(ctx, p, &p->party[SOURCE], p->source, p->destination, bucket, how, peer);
		p->peer_end = p->party[SOURCE].end;
	} else {
		*(__u64 *)&p->party[DESTINATION] = 0;
		party_local(&p->party[SOURCE], p->slot, own);
		result = resolve_remote(ctx, p, &p->party[DESTINATION], p->destination, p->source, bucket, 0, peer);
		p->peer_end = p->party[DESTINATION].end;
	}
	return result;
}

/* Refused by policy in its own direction: 0 if the socket of a connection the other way proves it a reply. */
inline_always int refused(struct __sk_buff *ctx, struct packet *p, int result)
{
	__u32 direction = p->direction, egress = p->egress_verdict, ingress = p->ingress_verdict;
	__u32 event_flags = p->event_flags;

	if (p->found == FOUND_RESTART || !is_recoverable(p))
		return result;
	if (flow_recover(ctx)) {
		p->direction = direction;
		p->traits |= TRAIT_REPLY;
		return 0;
	}
	p->direction = direction;
	p->egress_verdict = egress;
	p->ingress_verdict = ingress;
	p->event_flags = event_flags;
	return result;
}

/*
 * Decides a packet for which the flow table has no valid answer (p->found says why) and, where that allows it, brings
 * the table up to date. 0 or a drop reason. `own` is the cell half of the device's endpoint, which has been in force
 * since the epoch was read.
 */
inline_always int flow_decide(struct __sk_buff *ctx, struct packet *p, struct cell_half *own, const __u32 to_container)
{
	__u32 forward = 1, began = p->source_index & 1, state = 0;
	struct cell_half *peer = 0, *source, *destination;
	struct flow *found = 0;
	__u64 old = 0;
	int result;

	p->flow_flags = to_container ? FLOW_VIA_STACK : 0;
	if (p->found == FOUND_STALE) {
		found = bpf_map_lookup_elem(&cilium_flows, &p->key);
		if (!found) {
			/* evicted since the fast path saw it */
			if (p->traits & TRAIT_RELATED)
				return -DROP_UNKNOWN_FLOW;
			p->found = FOUND_NONE;
		}
	}
	if (found) {
		old = *(volatile __u64 *)&found->decision;
		forward = (found->began & 1) == began;
		began = found->began & 1;
		state = found->state;
		p->flow_flags = found->flags;
		if (!forward)
			p->traits |= TRAIT_REPLY;
	}
	result = parties_resolve(ctx, p, own, forward, to_container, &peer);
	if (result < 0)
		return result;
	source = to_container ? peer : own;
	destination = to_container ? own : peer;
	result = policy_judge(p, source, destination, !forward);
	/* denied: an entry stays as it is, so that the next packet, of either direction, is decided again */
	if (result < 0 && found)
		return result;
	if (result < 0) {
		result = refused(ctx, p, result);
		if (result < 0)
			return result;
		began = !began;
	}
	if ((p->traits & TRAIT_RELATED) || (!found && (p->traits & TRAIT_NO_FLOW)))
		return 0;
	flow_compose(p, source, destination, began & 1, state);
	if (found)
		flow_renew(p, found, old);
	else if (flow_create(p, p->found == FOUND_NONE ? BPF_NOEXIST : BPF_ANY))
		flow_report(ctx, p, to_container);
	return 0;
}
