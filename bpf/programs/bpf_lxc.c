// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The programs of an endpoint, on the host's end of its veth pair. */
#include "lib/common.h"
#include "lib/layout.h"

SEC("tc")
int cil_from_container(struct __sk_buff *ctx)
{
	metric_count(DROP_NO_POLICY, DIRECTION_EGRESS, ctx->len);
	return TC_ACT_SHOT;
}

SEC("tc")
int cil_to_container(struct __sk_buff *ctx)
{
	metric_count(DROP_NO_POLICY, DIRECTION_INGRESS, ctx->len);
	return TC_ACT_SHOT;
}

/*
 * For the loader: writes jiffies and nanoseconds into the packet of a test run, from two of which it learns the
 * kernel's CONFIG_HZ.
 */
SEC("tc")
int cil_clock(struct __sk_buff *ctx)
{
	__u64 *data = (void *)(long)ctx->data;

	if ((void *)(data + 2) > (void *)(long)ctx->data_end)
		return TC_ACT_SHOT;
	data[0] = bpf_jiffies64();
	data[1] = bpf_ktime_get_ns();
	return TC_ACT_OK;
}

char program_license[] SEC("license") = "Dual BSD/GPL";
