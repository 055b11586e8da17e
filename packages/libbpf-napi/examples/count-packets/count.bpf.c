// Counts the packets and bytes that a device delivers, by protocol (EtherType).
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct counter {
	__u64 packets, bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct counter);
} counters SEC(".maps");

const volatile __u32 smallest = 0; // shorter packets are not counted

SEC("tc")
int count(struct __sk_buff *skb)
{
	struct counter first = { 1, skb->len }, *found;
	__u32 protocol = skb->protocol;

	if (skb->len < smallest)
		return TC_ACT_UNSPEC;
	found = bpf_map_lookup_elem(&counters, &protocol);
	if (found) {
		found->packets++;
		found->bytes += skb->len;
	} else {
		bpf_map_update_elem(&counters, &protocol, &first, BPF_NOEXIST);
	}
	return TC_ACT_UNSPEC; // let the packet go on
}

char _license[] SEC("license") = "GPL";
