// One map of every kind that the tests use, global data of every kind, and programs of two types.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

struct value {
	__u64 packets;
	__u32 mark;
	__u8 bytes[4];
};

struct lpm_key {
	__u32 length;
	__u8 address[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct value);
} table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1000);
	__type(key, struct lpm_key);
	__type(value, __u32);
} prefixes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} cells SEC(".maps");

const volatile __u8 small = 7;
const volatile __u16 medium = 0;
const volatile __u32 answer = 0;
const volatile __u64 large = 0;
const volatile __s32 negative = 0;
const volatile bool enabled = false;
const volatile __u8 address[6] = {};
__u64 epoch = 0;
__u64 initialised = 5;

SEC("tc")
int count(struct __sk_buff *skb)
{
	__u32 key = 0, *counter = bpf_map_lookup_elem(&counters, &key);
	__u64 *cell = bpf_map_lookup_elem(&cells, &key);

	if (counter)
		++*counter;
	if (cell)
		epoch = *cell;
	skb->mark = skb->mark + 1;
	skb->cb[1] = answer;
	if (!enabled)
		return TC_ACT_SHOT;
	return skb->cb[0] ? skb->cb[0] : TC_ACT_OK;
}

SEC("xdp")
int cut(struct xdp_md *ctx)
{
	if (bpf_xdp_adjust_head(ctx, 4))
		return XDP_ABORTED;
	return XDP_PASS;
}

SEC("tc")
int other(struct __sk_buff *skb)
{
	return TC_ACT_PIPE;
}

char _license[] SEC("license") = "GPL";
