// Maps of maps: one whose inner maps are declared, one whose are not.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_INNER_MAP);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u32);
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 8);
	__type(key, __u32);
	__array(values, struct inner);
} tables SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u32);
} undeclared SEC(".maps");

// Returns what table number 7 has at index 1: the action. Without a table XDP_PASS.
SEC("xdp")
int by_table(struct xdp_md *ctx)
{
	__u32 key = 7, index = 1, *action;
	void *table = bpf_map_lookup_elem(&tables, &key);

	if (!table)
		return XDP_PASS;
	action = bpf_map_lookup_elem(table, &index);
	return action ? *action : XDP_ABORTED;
}

SEC("xdp")
int from_array(struct xdp_md *ctx)
{
	__u32 key = 2, *action;
	void *table = bpf_map_lookup_elem(&undeclared, &key);

	if (!table)
		return XDP_PASS;
	key = 9;
	action = bpf_map_lookup_elem(table, &key);
	return action ? *action : XDP_ABORTED;
}

char _license[] SEC("license") = "GPL";
