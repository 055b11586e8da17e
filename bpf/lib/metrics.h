// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Packets and bytes by reason and direction, per CPU. */
#pragma once

#include "lib/common.h"
#include "lib/drop_reasons.h"

/* Seen from the endpoint: ingress is towards it. A drop counts in the direction whose policy or check refused. */
enum direction {
	DIRECTION_UNKNOWN = 0,
	DIRECTION_INGRESS = 1,
	DIRECTION_EGRESS = 2,
};

struct metric {
	__u64 packets;
	__u64 bytes;
};

#define METRIC_DIRECTIONS 4

/* Index: reason * METRIC_DIRECTIONS + direction. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 256 * METRIC_DIRECTIONS);
	__type(key, __u32);
	__type(value, struct metric);
} cilium_metrics SEC(".maps");

inline_always void metric_count(__u32 reason, __u32 direction, __u32 bytes)
{
	__u32 index = (reason & 0xff) * METRIC_DIRECTIONS + (direction & 3);
	struct metric *metric = bpf_map_lookup_elem(&cilium_metrics, &index);

	if (!metric)
		return;
	metric->packets++;
	metric->bytes += bytes;
}
