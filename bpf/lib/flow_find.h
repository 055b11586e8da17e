// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The fast path: one look-up, and array reads that tell whether what it found still holds. */
#pragma once

#include "lib/decide.h"
#include "lib/packet.h"

/* Whether the far end still is what it was; gives its revision. */
inline_always int far_end_holds(struct packet *p, __u32 end, __u32 generation, __u32 *revision)
{
	if (end & FLOW_REMOTE) {
		struct node_state *node = node_get();

		*revision = 0;
		return node && bucket_generation(node, end) == generation;
	} else {
		struct cell_half *half = cell_get(end - 1, p->parity);

		if (!half)
			return 0;
		*revision = half->revision;
		return half->generation == generation;
	}
}

/*
 * To the pod, on a hit as well: an endpoint's address must have come in by its own device, and a flow that the node
 * began is continued by the node alone.
 */
inline_always int source_holds(struct packet *p, __u32 end, __u32 identity, __u32 forward)
{
	struct endpoint_info *endpoint;
	__u32 slot = end - 1;

	if (p->traits & TRAIT_RELATED)
		return 1; /* the far end is only quoted; the router was checked */
	if (end & FLOW_REMOTE)
		return !forward || identity != IDENTITY_HOST || !p->ingress_ifindex;
	endpoint = bpf_map_lookup_elem(&cilium_endpoints, &slot);
	return endpoint && endpoint->ifindex == p->ingress_ifindex;
}

/*
 * 0: the flow allows the packet; flow_flags and peer_end say where it goes. 1: flow_decide has to (p->found). < 0:
 * dropped. `own` is the cell half of the device's endpoint.
 */
inline_always int flow_find(struct packet *p, struct cell_half *own, const __u32 to_container)
{
	__u32 source, mine, far, state, revision, began, bits;
	struct flow *flow;
	__u64 expected;
	__s32 age;

	*(__u64 *)&p->found = 0;
	/* a SYN is decided whatever the table says, so it does not pay for asking: flow_meet looks when it finds out */
	if (unlikely(is_syn(p)))
		return 1;
	flow = bpf_map_lookup_elem(&cilium_flows, &p->key);
	if (unlikely(!flow))
		return p->traits & TRAIT_RELATED ? -DROP_UNKNOWN_FLOW : 1;
	source = p->source_index & 1;
	mine = to_container ? source ^ 1 : source;
	far = mine ^ 1;
	state = flow->state;
	began = flow->began & 1;
	age = p->now - flow->last_seen;
	if (unlikely(age > (__s32)flow_lifetime(p, state))) {
		p->found = FOUND_EXPIRED;
		return p->traits & TRAIT_RELATED ? -DROP_UNKNOWN_FLOW : 1;
	}
	p->peer_end = flow->end[far];
	p->flow_flags = flow->flags;
	if (to_container && unlikely(!source_holds(p, p->peer_end, flow->identity[far], began == source)))
		return -DROP_INVALID_SOURCE_IP;
	if (unlikely(p->traits & TRAIT_INITIAL) && (began != source || is_closing(state))) {
		p->found = FOUND_RESTART;
		return 1;
	}
	p->found = FOUND_STALE;
	if (unlikely(p->flow_flags & FLOW_LATE))
		return 1;
	if (unlikely(flow->end[mine] != p->slot + 1 || flow->generation[mine] != own->generation))
		return 1;
	if (unlikely(!far_end_holds(p, p->peer_end, flow->generation[far], &revision)))
		return 1;
	if (mine)
		expected = (revision & REVISION_MASK) | (own->revision & REVISION_MASK) << REVISION_BITS;
	else
		expected = (own->revision & REVISION_MASK) | (revision & REVISION_MASK) << REVISION_BITS;
	if (unlikely((flow->decision ^ expected) & REVISIONS_MASK))
		return 1;
	if (p->flow_flags & (FLOW_SERVICE | FLOW_REPLY_REWRITE)) {
		int result = flow_rewrite(p, flow, began == source, to_container);

		if (unlikely(result))
			return result;
	}
	if (unlikely(p->traits & TRAIT_RELATED))
		return 0;
	/* what this packet changes: most change nothing, so that CPUs do not take the line from each other */
	bits = state_bits(p, source);
	if (unlikely(age > 0 || (state & (bits | FLOW_HALF | FLOW_RESET)) != bits)) {
		__u32 denied = state & state_denied(p);

		if (p->rewrite) {
			int result = partner_keep();

			if (result < 0)
				return result;
		}
		if (age > 0)
			flow->last_seen = p->now;
		if ((state & bits) != bits)
			__sync_fetch_and_or(&flow->state, bits);
		if (denied)
			__sync_fetch_and_and(&flow->state, ~denied);
	}
	return 0;
}
