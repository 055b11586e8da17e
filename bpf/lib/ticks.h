// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Coarse time: jiffies >> FLOW_TICK_SHIFT, which is 64 ms at 1000 Hz, 640 ms at 100 Hz. */
#pragma once

#include "lib/common.h"
#include "lib/config.h"

#define FLOW_TICK_SHIFT 6

inline_always __u32 ticks_now(void)
{
	return bpf_jiffies64() >> FLOW_TICK_SHIFT;
}

inline_always __u32 timeout_ticks(__u32 seconds)
{
	return (__u64)seconds * config_jiffies_per_second >> FLOW_TICK_SHIFT;
}
