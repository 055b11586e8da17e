// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is told of the first packet of a flow. */
#pragma once

#include "lib/event_emit.h"
#include "lib/packet.h"

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
