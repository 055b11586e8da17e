// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the policies of both ends say of a flow. */
#pragma once

#include "lib/icmp.h"
#include "lib/metrics.h"
#include "lib/packet.h"
#include "lib/policy.h"

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
