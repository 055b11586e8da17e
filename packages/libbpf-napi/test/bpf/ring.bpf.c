// Submits records to a ring buffer: how many, how large and whether with a wake-up is in the packet.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
} events SEC(".maps");

struct record {
	__u64 number;
	__u8 rest[40];
};

__u64 submitted = 0;
__u64 refused = 0;

static int submit(struct __sk_buff *skb, __u64 flags)
{
	int wanted = skb->cb[0];

	for (int i = 0; i < 1000; i++) {
		struct record *record;

		if (i >= wanted)
			break;
		record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);
		if (!record) {
			refused++;
			continue;
		}
		__builtin_memset(record, 0, sizeof(*record));
		record->number = submitted++;
		bpf_ringbuf_submit(record, flags);
	}
	return TC_ACT_OK;
}

SEC("tc")
int quiet(struct __sk_buff *skb)
{
	return submit(skb, BPF_RB_NO_WAKEUP);
}

SEC("tc")
int loud(struct __sk_buff *skb)
{
	return submit(skb, BPF_RB_FORCE_WAKEUP);
}

SEC("tc")
int odd(struct __sk_buff *skb)
{
	char text[5] = "12345";

	bpf_ringbuf_output(&events, text, sizeof(text), 0);
	bpf_ringbuf_output(&events, text, 3, 0);
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
