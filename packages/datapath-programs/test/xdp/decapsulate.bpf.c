// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A backend of direct server return: takes the outer header off IPv4-in-IPv4 and IPv6-in-IPv6, as a tunnel device would.
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETHERNET 14

SEC("xdp")
int decapsulate(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;
	__u8 *end = (void *)(long)ctx->data_end;
	__u8 header[ETHERNET];
	int outer = 0;

	if (data + ETHERNET + 40 > end)
		return XDP_PASS;
	if (data[12] == 0x08 && data[13] == 0x00 && data[ETHERNET + 9] == 4)
		outer = 20;
	else if (data[12] == 0x86 && data[13] == 0xdd && data[ETHERNET + 6] == 41)
		outer = 40;
	if (!outer)
		return XDP_PASS;
	__builtin_memcpy(header, data, ETHERNET);
	if (bpf_xdp_adjust_head(ctx, outer))
		return XDP_DROP;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + ETHERNET > end)
		return XDP_DROP;
	__builtin_memcpy(data, header, ETHERNET);
	return XDP_PASS;
}

// The other end of a veth pair takes frames that a program there sends back (XDP_TX) only while it has a program itself.
SEC("xdp")
int pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
