// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The slow path: who are the two ends, what does policy say, and what is remembered of it. */
#pragma once

#include "lib/event_emit.h"
#include "lib/flow_state.h"
#include "lib/packet.h"
#include "lib/policy.h"
#include "lib/resolve.h"

#define TCP_STATE_LISTEN 10
#define TCP_STATE_NEW_SYN_RECV 12

/* 0, or the drop that a verdict means for an endpoint with these cell flags. */
inline_always int verdict_apply(struct packet *p, __u32 verdict, __u32 cell_flags)
{
	__u32 action = verdict & 0xff;

	if (cell_flags & CELL_LOCKED_DOWN)
		return -DROP_NO_POLICY;
	if (action == ACTION_ALLOW)
		return 0;
	if (action == ACTION_NO_POLICY)
		return -DROP_NO_POLICY;
	if (cell_flags & CELL_AUDIT) {
		p->traits |= TRAIT_AUDITED;
		return 0;
	}
	return action == ACTION_DENY ? -DROP_POLICY_DENY : -DROP_POLICY;
}

inline_always int egress_judge(struct packet *p, struct cell_half *from, __u32 to_identity, __u32 start)
{
	__u32 how = POLICY_EGRESS | (from->flags & CELL_EGRESS_ANY_ONLY ? POLICY_ANY_ONLY : 0);
	int result;

	p->egress_verdict = policy_verdict(from->version, to_identity, from->any_egress, start, how);
	p->event_flags |= EVENT_EGRESS_JUDGED;
	result = verdict_apply(p, p->egress_verdict, from->flags);
	if (result < 0)
		p->direction = DIRECTION_EGRESS;
	return result;
}

inline_always int ingress_judge(struct packet *p, struct cell_half *to, __u32 from_identity, __u32 start)
{
	__u32 how = POLICY_INGRESS | (to->flags & CELL_INGRESS_ANY_ONLY ? POLICY_ANY_ONLY : 0);
	int result;

	p->ingress_verdict = policy_verdict(to->version, from_identity, to->any_ingress, start, how);
	p->event_flags |= EVENT_INGRESS_JUDGED;
	result = verdict_apply(p, p->ingress_verdict, to->flags);
	if (result < 0)
		p->direction = DIRECTION_INGRESS;
	return result;
}

/*
 * What rows are searched for: protocol and the port, or ICMP type, of the packet that began the flow. In reverse that
 * is the packet which this one answers.
 */
inline_always __u32 policy_start(struct packet *p, __u32 reverse)
{
	__u32 protocol = p->protocol;
	__u32 port = 0;

	if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP)
		port = bpf_ntohs(reverse ? p->source_port : p->destination_port);
	else if (protocol == IPPROTO_ICMP)
		port = !reverse ? p->icmp_type : p->kind ? p->kind : ICMP4_ECHO_REQUEST;
	else if (protocol == IPPROTO_ICMPV6)
		port = !reverse ? p->icmp_type : p->kind ? p->kind : ICMP6_ECHO_REQUEST;
	return protocol << 16 | port;
}

/*
 * Both policies on a flow, that of the end which began first; a remote end has none (0). Of a flow that came out of the
 * stack the egress policy of its source has been applied where it went in, to the address it then had.
 */
inline_always int policy_judge(struct packet *p, struct cell_half *source, struct cell_half *destination, __u32 reverse)
{
	__u32 start = policy_start(p, reverse);
	struct cell_half *from, *to;
	__u32 from_identity, to_identity;
	int result;

	p->event_flags = 0;
	p->traits &= ~(__u32)TRAIT_AUDITED;
	if (reverse) {
		from = destination;
		to = source;
		from_identity = p->party[DESTINATION].identity;
		to_identity = p->party[SOURCE].identity;
	} else {
		from = source;
		to = destination;
		from_identity = p->party[SOURCE].identity;
		to_identity = p->party[DESTINATION].identity;
	}
	if (from && !(p->flow_flags & FLOW_VIA_STACK)) {
		result = egress_judge(p, from, to_identity, start);
		if (result < 0)
			return result;
	}
	return to ? ingress_judge(p, to, from_identity, start) : 0;
}

/*
 * Whether the endpoint has the very socket of a connection: the far address and port first, as in a packet to it. The
 * look-up falls back to listeners, which prove nothing; a request socket has seen a SYN only, so a SYN-ACK may be its.
 */
inline_always int socket_confirms(struct __sk_buff *ctx, struct packet *p, __u32 end, __u32 reverse)
{
	struct bpf_sock_tuple tuple = {};
	struct endpoint_info *endpoint;
	struct bpf_sock *socket;
	__u32 slot = end - 1, size, state;

	endpoint = bpf_map_lookup_elem(&cilium_endpoints, &slot);
	if (!endpoint || endpoint->netns_id < 0)
		return 0; /* a negative id would mean the node's own namespace */
	if (p->traits & TRAIT_IPV6) {
		size = sizeof(tuple.ipv6);
		if (reverse) {
			__builtin_memcpy(tuple.ipv6.saddr, p->destination, ADDRESS_SIZE);
			__builtin_memcpy(tuple.ipv6.daddr, p->source, ADDRESS_SIZE);
			tuple.ipv6.sport = p->destination_port;
			tuple.ipv6.dport = p->source_port;
		} else {
			__builtin_memcpy(tuple.ipv6.saddr, p->source, ADDRESS_SIZE);
			__builtin_memcpy(tuple.ipv6.daddr, p->destination, ADDRESS_SIZE);
			tuple.ipv6.sport = p->source_port;
			tuple.ipv6.dport = p->destination_port;
		}
	} else {
		size = sizeof(tuple.ipv4);
		tuple.ipv4.saddr = words(reverse ? p->destination : p->source)[3];
		tuple.ipv4.daddr = words(reverse ? p->source : p->destination)[3];
		tuple.ipv4.sport = reverse ? p->destination_port : p->source_port;
		tuple.ipv4.dport = reverse ? p->source_port : p->destination_port;
	}
	socket = bpf_skc_lookup_tcp(ctx, &tuple, size, endpoint->netns_id, 0);
	if (!socket)
		return 0;
	state = socket->state;
	bpf_sk_release(socket);
	if (state == TCP_STATE_LISTEN)
		return 0;
	if (state == TCP_STATE_NEW_SYN_RECV)
		return (p->tcp_flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK);
	return 1;
}

inline_always struct cell_half *end_policy(struct packet *p, __u32 end)
{
	return end & FLOW_REMOTE ? 0 : cell_get(end - 1, p->parity);
}

/*
 * A TCP segment in the middle of a connection whose entry is lost, refused in its own direction: it may answer a
 * connection that policy allows the other way. Policy alone must not open that (any segment could claim it), so an end
 * has to have the socket; the presumed beginner's own if it is local, for the sender could make one up.
 */
__attribute__((noinline)) int flow_recover(struct __sk_buff *ctx)
{
	struct packet *p = packet_scratch();
	__u32 source, destination;
	int confirmed;

	if (!p)
		return 0;
	source = p->party[SOURCE].end;
	destination = p->party[DESTINATION].end;
	if (policy_judge(p, end_policy(p, source), end_policy(p, destination), 1) < 0)
		return 0;
	if (!(destination & FLOW_REMOTE))
		confirmed = socket_confirms(ctx, p, destination, 0);
	else
		confirmed = socket_confirms(ctx, p, source, 1);
	if (confirmed)
		p->traits |= TRAIT_RECOVERED;
	return confirmed;
}

inline_always __u64 decision_pack(__u32 revision0, __u32 revision1, __u32 traits)
{
	__u64 decision = DECISION_ALLOWED | (revision0 & REVISION_MASK) | (revision1 & REVISION_MASK) << REVISION_BITS;

	return traits & TRAIT_AUDITED ? decision | DECISION_AUDITED : decision;
}

/* The entry as this decision would have it. */
inline_always void flow_compose(struct packet *p, struct cell_half *source, struct cell_half *destination,
				__u32 began, __u32 state)
{
	__u32 source_revision = source ? source->revision : 0;
	__u32 destination_revision = destination ? destination->revision : 0;
	__u32 source_generation = source ? source->generation : p->peer_generation;
	__u32 destination_generation = destination ? destination->generation : p->peer_generation;
	struct flow *flow = &p->flow;

	if (p->source_index) {
		flow->decision = decision_pack(destination_revision, source_revision, p->traits);
		flow->generation[0] = destination_generation;
		flow->generation[1] = source_generation;
		flow->end[0] = p->party[DESTINATION].end;
		flow->end[1] = p->party[SOURCE].end;
		flow->identity[0] = p->party[DESTINATION].identity;
		flow->identity[1] = p->party[SOURCE].identity;
	} else {
		flow->decision = decision_pack(source_revision, destination_revision, p->traits);
		flow->generation[0] = source_generation;
		flow->generation[1] = destination_generation;
		flow->end[0] = p->party[SOURCE].end;
		flow->end[1] = p->party[DESTINATION].end;
		flow->identity[0] = p->party[SOURCE].identity;
		flow->identity[1] = p->party[DESTINATION].identity;
	}
	flow->last_seen = p->now;
	flow->state = state | state_bits(p);
	flow->began = began;
	flow->reserved = 0;
	flow->flags = p->flow_flags;
	__builtin_memset(flow->rewrite_address, 0, sizeof(flow->rewrite_address));
	flow->rewrite_port = 0;
	flow->rewrite_id = 0;
}

inline_always int flow_differs_only_in_decision(struct flow *a, struct flow *b)
{
	return a->generation[0] == b->generation[0] && a->generation[1] == b->generation[1] &&
	       a->end[0] == b->end[0] && a->end[1] == b->end[1] && a->identity[0] == b->identity[0] &&
	       a->identity[1] == b->identity[1] && a->flags == b->flags;
}

/*
 * Allowed anew. Where only revisions moved, the decision changes by one compare-and-swap from the value on which this
 * one was taken: whoever loses leaves the winner's, and no old verdict can end up under new revisions.
 */
inline_always void flow_renew(struct packet *p, struct flow *found, __u64 old)
{
	if (flow_differs_only_in_decision(&p->flow, found)) {
		__sync_val_compare_and_swap(&found->decision, old, p->flow.decision);
		if (found->last_seen != p->now)
			found->last_seen = p->now;
		if ((found->state & p->flow.state) != p->flow.state)
			__sync_fetch_and_or(&found->state, p->flow.state);
		return;
	}
	if (bpf_map_update_elem(&cilium_flows, &p->key, &p->flow, BPF_ANY) < 0)
		metric_count(DROP_FLOW_INSERT_FAILED, p->direction, 0);
}

#define EEXIST 17

/*
 * The flow is there already. A SYN sent again by the end that began renews it; a SYN of the other end, or after the
 * end, begins anew. What is not a SYN has lost against another CPU, whose entry then holds, and which reports it.
 * 1 where it began anew.
 */
__attribute__((noinline)) int flow_meet(void)
{
	struct packet *p = packet_scratch();
	struct flow *found;

	if (!p || !is_syn(p))
		return 0;
	found = bpf_map_lookup_elem(&cilium_flows, &p->key);
	if (found && (found->began & 1) == (p->source_index & 1) && flow_lives(p, found)) {
		p->flow.state |= found->state;
		p->flow.flags |= found->flags & FLOW_VIA_STACK;
		p->flow_flags = p->flow.flags;
		flow_renew(p, found, *(volatile __u64 *)&found->decision);
		return 0;
	}
	if (bpf_map_update_elem(&cilium_flows, &p->key, &p->flow, BPF_ANY) < 0)
		metric_count(DROP_FLOW_INSERT_FAILED, p->direction, 0);
	return 1;
}

/* 1 where the flow began with this packet. */
inline_always int flow_create(struct packet *p, __u64 how)
{
	long error;

	error = bpf_map_update_elem(&cilium_flows, &p->key, &p->flow, how);
	if (error == -EEXIST)
		return flow_meet();
	if (error < 0)
		metric_count(DROP_FLOW_INSERT_FAILED, p->direction, 0); /* policy judges each of its packets */
	return 1;
}

inline_always int is_recoverable(struct packet *p)
{
	return p->protocol == IPPROTO_TCP && !(p->traits & (TRAIT_INITIAL | TRAIT_FRAGMENT | TRAIT_RELATED));
}

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
