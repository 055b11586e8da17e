// XDP programs: one that looks at all of its context, and two to tell apart.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u32 seen_ifindex = 0;
__u32 seen_queue = 0;
__u64 passed = 0;

// Reads four bytes of metadata, if there are any, and leaves eight.
SEC("xdp")
int inspect(struct xdp_md *ctx)
{
	__u32 *meta = (void *)(long)ctx->data_meta;
	__u32 found = 0;

	seen_ifindex = ctx->ingress_ifindex;
	seen_queue = ctx->rx_queue_index;
	if ((void *)(meta + 1) <= (void *)(long)ctx->data)
		found = *meta;
	if (bpf_xdp_adjust_meta(ctx, found ? -4 : -8))
		return XDP_ABORTED;
	meta = (void *)(long)ctx->data_meta;
	if ((void *)(meta + 2) > (void *)(long)ctx->data)
		return XDP_ABORTED;
	meta[0] = 0x11111111;
	meta[1] = found + 1;
	return XDP_TX;
}

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	__sync_fetch_and_add(&passed, 1);
	return XDP_PASS;
}

SEC("xdp")
int drop(struct xdp_md *ctx)
{
	return XDP_DROP;
}

char _license[] SEC("license") = "GPL";
