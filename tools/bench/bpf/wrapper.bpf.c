// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What stands between BPF_PROG_TEST_RUN and the program under test. A test run repeats on one packet, which the
// program changes: `wrap` restores its headers, gives it the next source port, and tail-calls slot 0. What `wrap`
// itself costs is measured with `noop` in that slot and subtracted.
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define WORDS 8                 // 64 bytes: Ethernet, IPv6 and the ports
#define NO_TAIL_CALL 99         // no action of tc: the slot was empty

const volatile __u64 headers[WORDS];
const volatile __u32 port_offset = 34;
const volatile __u32 first_port = 1024;
const volatile __u32 ports = 1;          // 1: always the same

__u32 turn;

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} jump SEC(".maps");

SEC("tc")
int wrap(struct __sk_buff *skb)
{
	__u8 *data = (void *)(long)skb->data;
	__u64 *words = (void *)data;

	if ((void *)(words + WORDS) > (void *)(long)skb->data_end || port_offset > 56)
		return NO_TAIL_CALL;
#pragma unroll
	for (int i = 0; i < WORDS; i++)
		words[i] = headers[i];
	if (ports > 1) {
		__u32 next = turn + 1;

		turn = next < ports ? next : 0;
		*(__u16 *)(data + port_offset) = bpf_htons(first_port + turn);
	}
	bpf_tail_call(skb, &jump, 0);
	return NO_TAIL_CALL;
}

SEC("tc")
int noop(struct __sk_buff *skb)
{
	return 0;
}

// The same for XDP. What the program under test put in front of the packet is taken away again; the call for that is made
// in front of the empty program too. A program with support for fragments can be called by its like only.
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} jump_xdp SEC(".maps");

const volatile __u32 frame_length = 0;

SEC("xdp.frags")
int wrap_xdp(struct xdp_md *ctx)
{
	__u32 length = (long)ctx->data_end - (long)ctx->data;
	__u64 *words;
	__u8 *data;

	if (bpf_xdp_adjust_head(ctx, (int)(length - frame_length)))
		return NO_TAIL_CALL;
	data = (void *)(long)ctx->data;
	words = (void *)data;
	if ((void *)(words + WORDS) > (void *)(long)ctx->data_end || port_offset > 56)
		return NO_TAIL_CALL;
#pragma unroll
	for (int i = 0; i < WORDS; i++)
		words[i] = headers[i];
	if (ports > 1) {
		__u32 next = turn + 1;

		turn = next < ports ? next : 0;
		*(__u16 *)(data + port_offset) = bpf_htons(first_port + turn);
	}
	bpf_tail_call(ctx, &jump_xdp, 0);
	return NO_TAIL_CALL;
}

SEC("xdp.frags")
int noop_xdp(struct xdp_md *ctx)
{
	return 0;
}

// The unit of the ratios: one hit in an LRU hash of 100,000 entries with a key of 40 bytes, like that of the flows.
struct key {
	__u64 words[5];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 131072);
	__type(key, struct key);
	__type(value, __u64[8]);
} unit SEC(".maps");

const volatile __u64 unit_key[5];

SEC("tc")
int lookup(struct __sk_buff *skb)
{
	struct key key;

#pragma unroll
	for (int i = 0; i < 5; i++)
		key.words[i] = unit_key[i];
	return bpf_map_lookup_elem(&unit, &key) ? 1 : 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
