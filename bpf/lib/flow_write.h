// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Decisions into the flow table. */
#pragma once

#include "lib/flow_state.h"
#include "lib/metrics.h"
#include "lib/packet.h"

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
	flow->state = state | state_bits(p, p->source_index);
	flow->began = began;
	flow->reserved = 0;
	flow->flags = p->flow_flags;
	flow->backend_generation = 0;
	__builtin_memset(flow->rewrite_address, 0, sizeof(flow->rewrite_address));
	flow->rewrite_port = 0;
	flow->rewrite_id = 0;
	flow->other_port = 0;
}

inline_always void rewrite_copy(struct flow *to, struct flow *from)
{
	address_copy(to->rewrite_address, from->rewrite_address);
	to->rewrite_port = from->rewrite_port;
	to->rewrite_id = from->rewrite_id;
	to->other_port = from->other_port;
}

inline_always int flow_differs_only_in_decision(struct flow *a, struct flow *b)
{
	return a->generation[0] == b->generation[0] && a->generation[1] == b->generation[1] &&
	       a->end[0] == b->end[0] && a->end[1] == b->end[1] && a->identity[0] == b->identity[0] &&
	       a->identity[1] == b->identity[1] && a->flags == b->flags;
}

/*
 * Linux 6.1 calls the map's own function, which returns an int: the upper half of the register is then not the sign,
 * and a long would never be below 0.
 */
inline_always int flow_write(struct packet *p, __u64 how)
{
	return (int)bpf_map_update_elem(&cilium_flows, &p->key, &p->flow, how);
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
	if (flow_write(p, BPF_ANY) < 0)
		metric_count(DROP_FLOW_INSERT_FAILED, p->direction, 0);
}

#define EEXIST 17

/*
 * The flow is there already. A SYN sent again by the end that began renews it; a SYN of the other end, or after the
 * end, begins anew. What is not a SYN has lost against another CPU, whose entry then holds, and which reports it.
 * 1 where it began anew.
 *
 * Live entries of a flow to a service give way to nothing: a second connection on its two ends would be answered from
 * the service's address. The flow's own SYN comes by again out of the stack.
 */
__attribute__((noinline)) int flow_meet(void)
{
	struct packet *p = packet_scratch();
	struct flow *found;

	if (!p || !is_syn(p))
		return 0;
	found = bpf_map_lookup_elem(&cilium_flows, &p->key);
	if (found && (found->flags & (FLOW_SERVICE | FLOW_REPLY_REWRITE)) && flow_lives(p, found)) {
		__u32 forward = (found->began & 1) == (p->source_index & 1);

		if (!(p->flow_flags & FLOW_VIA_STACK)) {
			if (!forward || (found->flags & FLOW_REPLY_REWRITE))
				return -DROP_NAT_NO_MAPPING;
		} else {
			if (!forward || (found->flags & FLOW_SERVICE))
				return -DROP_NAT_NO_MAPPING;
			rewrite_copy(&p->flow, found);
			p->flow.flags |= found->flags & (FLOW_REPLY_REWRITE | FLOW_HAIRPIN | FLOW_PORT);
		}
	}
	if (found && (found->began & 1) == (p->source_index & 1) && flow_lives(p, found)) {
		p->flow.state |= found->state;
		p->flow.flags |= found->flags & FLOW_VIA_STACK;
		p->flow_flags = p->flow.flags;
		flow_renew(p, found, *(volatile __u64 *)&found->decision);
		return 0;
	}
	if (flow_write(p, BPF_ANY) < 0)
		metric_count(DROP_FLOW_INSERT_FAILED, p->direction, 0);
	return 1;
}

/* 1 where the flow began with this packet, 0 where it had begun, < 0 where another is in its way. */
inline_always int flow_create(struct packet *p, __u64 how)
{
	int error = flow_write(p, how);

	if (error == -EEXIST)
		return flow_meet();
	if (error < 0)
		metric_count(DROP_FLOW_INSERT_FAILED, p->direction, 0); /* policy judges each of its packets */
	return 1;
}
