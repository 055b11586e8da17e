// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* How far a flow has come, and for how long it is remembered. */
#pragma once

#include "lib/config.h"
#include "lib/flows.h"
#include "lib/packet.h"

inline_always int is_syn(struct packet *p)
{
	return p->protocol == IPPROTO_TCP && (p->traits & TRAIT_INITIAL) && !(p->traits & TRAIT_LATER_FRAGMENT);
}

inline_always int is_closing(__u32 state)
{
	return (state & FLOW_RESET) || (state & (FLOW_FIN_0 | FLOW_FIN_1)) == (FLOW_FIN_0 | FLOW_FIN_1);
}

inline_always __u32 flow_timeout(struct packet *p, __u32 state)
{
	if (is_closing(state))
		return timeout_ticks(config_timeout_tcp_fin);
	if (p->protocol != IPPROTO_TCP)
		return timeout_ticks(config_timeout_any);
	return timeout_ticks(state & FLOW_CONFIRMED ? config_timeout_tcp : config_timeout_tcp_syn);
}

/*
 * For how long a flow's own packets find it. Whose reset it was nobody can tell without sequence numbers: after one the
 * flow gives way to another that wants its place, but who goes on is let on (state_denied).
 */
inline_always __u32 flow_lifetime(struct packet *p, __u32 state)
{
	return flow_timeout(p, state & ~FLOW_RESET);
}

inline_always int flow_lives(struct packet *p, struct flow *flow)
{
	__s32 age = p->now - flow->last_seen;

	return !is_closing(flow->state) && age <= (__s32)flow_timeout(p, flow->state);
}

/* TCP state bits that this packet adds to its flow; `end` of the entry sent it. */
inline_always __u32 state_bits(struct packet *p, __u32 end)
{
	__u32 bits = 0;

	if (p->protocol == IPPROTO_TCP) {
		if (!(p->tcp_flags & TCP_SYN))
			bits |= FLOW_CONFIRMED;
		if (p->tcp_flags & TCP_FIN)
			bits |= end ? FLOW_FIN_1 : FLOW_FIN_0;
		if (p->tcp_flags & TCP_RST)
			bits |= FLOW_RESET;
	} else if (p->traits & TRAIT_CLOSES) {
		bits |= FLOW_RESET;
	}
	return bits;
}

/*
 * What this packet takes back of its flow's state: of one that was reset there are only packets that were on their way,
 * and these are answered by another reset.
 */
inline_always __u32 state_denied(struct packet *p)
{
	if (p->traits & (TRAIT_LATER_FRAGMENT | TRAIT_RELATED | TRAIT_INITIAL | TRAIT_CLOSES))
		return 0;
	return p->protocol == IPPROTO_TCP && (p->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST)) ? 0 : FLOW_RESET;
}
