// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Before the stack, on the node's devices: the prefilter, then services whose backends are elsewhere. What it does not
 * treat is passed on as it came: bpf_netdev has the whole feature set.
 */
#include "lib/common.h"

#define NAT_CONTEXT struct xdp_md

#include "lib/metrics.h"
#include "lib/prefilter.h"
#include "lib/xdp_service.h"

/* Only there so that the compiler emits the types, from which the TypeScript layouts are generated. */
struct layout_anchor {
	enum prefilter_list prefilter_list;
};

volatile const struct layout_anchor layout_anchor = {};

/* Denied by the source address of the outermost IP header. */
inline_always int prefilter(struct xdp_md *ctx, __u32 network, __be16 ethertype)
{
	void *header = frame_data(ctx) + network, *end = frame_end(ctx);

	if (ethertype == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = header;

		if ((void *)(ip + 1) > end)
			return 0;
		return prefilter4(ip->saddr) ? -DROP_PREFILTER : 0;
	}
	if (ethertype == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = header;

		if ((void *)(ip + 1) > end)
			return 0;
		return prefilter6(ip->saddr.in6_u.u6_addr32) ? -DROP_PREFILTER : 0;
	}
	return 0;
}

inline_always int from_device(struct xdp_md *ctx)
{
	__be16 ethertype = 0;
	__u32 network = frame_network(ctx, &ethertype);
	int result;

	if (!network)
		return 0;
	result = prefilter(ctx, network, ethertype);
	if (result || network != FRAME_ETHERNET || !config_xdp_services)
		return result;
	if (ethertype == bpf_htons(ETH_P_IP))
		return service4(ctx);
	if (ethertype == bpf_htons(ETH_P_IPV6))
		return service6(ctx);
	return 0;
}

SEC("xdp.frags")
int cil_xdp_entry(struct xdp_md *ctx)
{
	__u32 bytes = (long)ctx->data_end - (long)ctx->data;
	int result = from_device(ctx);

	if (!result)
		return XDP_PASS;
	if (result < 0) {
		metric_count(-result, DIRECTION_INGRESS, bytes);
		return XDP_DROP;
	}
	metric_count(METRIC_FORWARDED, DIRECTION_INGRESS, bytes);
	return result - 1;
}

char program_license[] SEC("license") = "Dual BSD/GPL";
