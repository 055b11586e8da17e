// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The slow path: who are the two ends, what does policy say, and what is remembered of it. */
#pragma once

#include "lib/flow_write.h"
#include "lib/judge.h"
#include "lib/packet.h"
#include "lib/parties.h"
#include "lib/recover.h"
#include "lib/report.h"
#include "lib/service_flow.h"

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
		/* of a service that is no more nothing is left but the address */
		if (p->flow_flags & FLOW_SERVICE) {
			p->flow_flags &= ~(FLOW_SERVICE | FLOW_HAIRPIN | FLOW_PORT);
			state &= FLOW_STATES;
		}
		if (!forward)
			p->traits |= TRAIT_REPLY;
		if (p->flow_flags & FLOW_REPLY_REWRITE)
			flow_rewrite(p, found, forward, to_container);
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
	if (found) {
		if (p->flow_flags & FLOW_REPLY_REWRITE)
			rewrite_copy(&p->flow, found);
		if (p->rewrite && (state & FLOW_HALF)) {
			result = partner_keep();
			if (result < 0)
				return result;
			p->flow.state &= ~(__u32)FLOW_HALF;
		}
		flow_renew(p, found, old);
		return 0;
	}
	result = flow_create(p, p->found == FOUND_NONE ? BPF_NOEXIST : BPF_ANY);
	if (result > 0)
		flow_report(ctx, p, to_container);
	return result < 0 ? result : 0;
}

/*
 * Out of line, for what this keeps in registers is then no burden of the fast path beside it; not as global functions,
 * which would have to look their arguments up again (docs/adr/0008).
 */
static __attribute__((noinline)) int decide_from_container(struct __sk_buff *ctx, struct packet *p, struct cell_half *own)
{
	return flow_decide(ctx, p, own, 0);
}

static __attribute__((noinline)) int decide_to_container(struct __sk_buff *ctx, struct packet *p, struct cell_half *own)
{
	return flow_decide(ctx, p, own, 1);
}
