// Reads beyond the packet without a check: the verifier must refuse it.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int careless(struct __sk_buff *skb)
{
	return *(__u32 *)(long)skb->data;
}

char _license[] SEC("license") = "GPL";
