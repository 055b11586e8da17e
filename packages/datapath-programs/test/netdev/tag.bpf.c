// Gives IP packets that leave by a device a VLAN tag, as a switch or a VLAN device in front of it would.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

// Priority and identifier.
const volatile __u16 tag = 0;
__u64 tagged = 0;

SEC("tc")
int put_tag(struct __sk_buff *ctx)
{
	if (ctx->protocol != bpf_htons(ETH_P_IP) && ctx->protocol != bpf_htons(ETH_P_IPV6))
		return TC_ACT_OK;
	if (bpf_skb_vlan_push(ctx, bpf_htons(ETH_P_8021Q), tag))
		return TC_ACT_SHOT;
	__sync_fetch_and_add(&tagged, 1);
	return TC_ACT_OK;
}

char program_license[] SEC("license") = "GPL";
