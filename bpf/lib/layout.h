// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Types that no map carries, made part of the object's BTF, from which the TypeScript layouts are generated. */
#pragma once

#include "lib/addresses.h"
#include "lib/events.h"
#include "lib/flows.h"
#include "lib/fragments.h"
#include "lib/metrics.h"
#include "lib/policy.h"
#include "lib/services.h"

struct layout_anchor {
	struct event event;
	enum drop_reason drop_reason;
	enum metric_reason metric_reason;
	enum direction direction;
	enum endpoint_flag endpoint_flag;
	enum cell_flag cell_flag;
	enum reserved_identity reserved_identity;
	enum remote_flag remote_flag;
	enum policy_direction policy_direction;
	enum verdict_action verdict_action;
	enum match_type match_type;
	enum flow_state flow_state;
	enum flow_flag flow_flag;
	enum service_scope service_scope;
	enum service_flag service_flag;
	enum backend_state backend_state;
	enum event_type event_type;
	enum trace_point trace_point;
	enum event_flag event_flag;
};

/* Not configuration: only there so that the compiler emits the types. */
volatile const struct layout_anchor layout_anchor = {};
