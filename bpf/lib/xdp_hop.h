// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The way out: which device, which MAC addresses, how long a packet may be. The kernel's routing is asked by
 * bpf_fib_lookup, which costs as much as all the rest of the program, so each CPU remembers the answer for the rest of
 * the tick (64 ms at 1000 Hz, 640 ms at 100 Hz): that long a route or neighbour that has changed is still used.
 */
#pragma once

#include "lib/addresses.h"
#include "lib/node_devices.h"
#include "lib/xdp_frame.h"

#define AF_INET 2
#define AF_INET6 10

#define HOP_BITS 10
#define MAX_XDP_DEVICES 256

struct hop {
	__u8 source[ADDRESS_SIZE]; /* as asked for; all 0: an address of this node */
	__u8 destination[ADDRESS_SIZE];
	__u8 macs[12]; /* as they begin the frame */
	__u32 from; /* device that the packet came in by */
	__u32 tick; /* in which this was asked */
	__u32 ifindex; /* 0: none */
	__u32 mtu;
	__u32 reserved;
	__u8 own[ADDRESS_SIZE]; /* this node's, on that device; all 0: none */
};

/* Each CPU's own: nothing is seen half-written. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1 << HOP_BITS);
	__type(key, __u32);
	__type(value, struct hop);
} xdp_hops SEC(".maps");

/*
 * The devices that this program is attached to, by ifindex: those that a packet may leave by. An endpoint's device is
 * never among them: what it receives has to pass bpf_lxc.
 */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, MAX_XDP_DEVICES);
	__type(key, __u32);
	__type(value, __u32);
} cilium_xdp_devices SEC(".maps");

struct hop_question {
	__u8 source[ADDRESS_SIZE];
	__u8 destination[ADDRESS_SIZE];
	__u32 tick;
	__u32 index;
	__u32 from;
	__u32 reserved;
	struct bpf_fib_lookup fib;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hop_question);
} hop_state SEC(".maps");

inline_always struct hop_question *hop_scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&hop_state, &zero);
}

/* Asks the kernel what hop_scratch() says: 1 where there is a way out, which then stands in xdp_hops. */
__attribute__((noinline)) int hop_ask(struct xdp_md *ctx)
{
	struct hop_question *question = hop_scratch();
	struct bpf_fib_lookup *fib;
	struct hop *hop;
	__u32 index, ipv6, from;

	if (!question)
		return 0;
	from = question->from;
	index = question->index;
	hop = bpf_map_lookup_elem(&xdp_hops, &index);
	if (!hop)
		return 0;
	hop->ifindex = 0;
	ipv6 = !is_mapped(question->destination);
	fib = &question->fib;
	__builtin_memset(fib, 0, sizeof(*fib));
	fib->ifindex = from;
	fib->tot_len = 1; /* anything but 0, and the answer tells the MTU */
	if (ipv6) {
		fib->family = AF_INET6;
		__builtin_memcpy(fib->ipv6_src, question->source, ADDRESS_SIZE);
		__builtin_memcpy(fib->ipv6_dst, question->destination, ADDRESS_SIZE);
	} else {
		fib->family = AF_INET;
		fib->ipv4_src = words(question->source)[3];
		fib->ipv4_dst = words(question->destination)[3];
	}
	/* without a neighbour too: the stack will find it */
	if (bpf_fib_lookup(ctx, fib, sizeof(*fib), 0) != BPF_FIB_LKUP_RET_SUCCESS)
		return 0;
	index = fib->ifindex;
	if (index != from && !bpf_map_lookup_elem(&cilium_xdp_devices, &index))
		return 0;
	address_copy(hop->source, question->source);
	address_copy(hop->destination, question->destination);
	__builtin_memcpy(hop->macs, fib->dmac, ETH_ALEN);
	__builtin_memcpy(hop->macs + ETH_ALEN, fib->smac, ETH_ALEN);
	halves(hop->own)[0] = 0;
	halves(hop->own)[1] = 0;
	if (!node_device_address(index, ipv6, hop->own))
		node_device_address(from, ipv6, hop->own);
	hop->from = from;
	hop->tick = question->tick;
	hop->mtu = fib->mtu_result;
	hop->ifindex = index;
	return 1;
}

/* The way of what came in by device `from`, from `source` (all 0: this node) to `destination`, or 0. */
inline_always struct hop *hop_find(struct xdp_md *ctx, __u32 from, __u32 tick, void *source, void *destination)
{
	__u32 *s = words(source), *d = words(destination);
	__u32 index = ((s[0] ^ s[1] ^ s[2] ^ s[3] ^ d[0] ^ d[1] ^ d[2] ^ d[3]) * 0x9e3779b1u) >> (32 - HOP_BITS);
	struct hop *hop = bpf_map_lookup_elem(&xdp_hops, &index);
	struct hop_question *question;

	if (!hop)
		return 0;
	if (hop->tick == tick && hop->ifindex && hop->from == from &&
	    address_equal(hop->destination, destination) && address_equal(hop->source, source))
		return hop;
	question = hop_scratch();
	if (!question)
		return 0;
	address_copy(question->source, source);
	address_copy(question->destination, destination);
	question->tick = tick;
	question->index = index;
	question->from = from;
	return hop_ask(ctx) ? hop : 0;
}

/*
 * Whether the frame is for another station or for several, as far as can be told here: a device that listens to all
 * has them too. That of the device it came in by is known where it leaves by the same.
 */
inline_always int frame_is_foreign(struct xdp_md *ctx, struct hop *hop)
{
	__u16 *frame = frame_data(ctx), *own = (__u16 *)(hop->macs + ETH_ALEN);

	if ((void *)(frame + 3) > frame_end(ctx) || (*(__u8 *)frame & 1))
		return 1;
	return hop->ifindex == hop->from && (frame[0] != own[0] || frame[1] != own[1] || frame[2] != own[2]);
}

/* Sends the frame on its way: its Ethernet header must be in place. */
inline_always int hop_take(struct hop *hop)
{
	if (hop->ifindex == hop->from)
		return XDP_TX;
	return bpf_redirect_map(&cilium_xdp_devices, hop->ifindex, XDP_DROP);
}

inline_always void hop_macs(struct hop *hop, void *frame)
{
	__u32 *to = frame, *from = (__u32 *)hop->macs;

	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
}
