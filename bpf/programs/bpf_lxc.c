// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The programs of an endpoint, on the host's end of its veth pair: from the pod (ingress of that device), and to the
 * pod (egress of it: only what the stack delivers; what another endpoint's program redirects never passes here).
 */
#include "lib/common.h"
#include "lib/layout.h"

#include "lib/deliver.h"
#include "lib/flow_find.h"
#include "lib/icmp_answer.h"
#include "lib/local_link.h"
#include "lib/service_decide.h"

/* The parity of the epoch is read here, once, before any policy or address; everything else of this packet follows it. */
inline_always int packet_begin(struct __sk_buff *ctx, struct packet *p, __u32 direction)
{
	struct node_state *node = node_get();
	__u32 linear;

	p->traits = 0;
	p->direction = direction;
	p->ingress_ifindex = ctx->ingress_ifindex;
	p->protocols = 0;
	p->role = ROLE_NONE;
	if (unlikely(!node))
		return -DROP_INTERNAL;
	p->parity = *(volatile __u64 *)&node->epoch & 1;
	p->now = ticks_now();
	p->slot = device_slot(ctx->ifindex) - 1;
	if (unlikely(p->slot == NO_SLOT))
		return direction == DIRECTION_EGRESS ? -DROP_UNKNOWN_SENDER : -DROP_NO_LOCAL_ENDPOINT;
	if (unlikely(ctx->vlan_present))
		return -DROP_VLAN_FILTERED;
	linear = ctx->data_end - ctx->data;
	/* a sender's stack leaves the headers in the linear part and the payload, be it one byte, out of it: let it be */
	if (unlikely(linear < (ctx->protocol == bpf_htons(ETH_P_IP) ? LINEAR_IPV4 : LINEAR_IPV6) && linear < ctx->len))
		linear_pull(ctx, LINEAR_WANTED);
	return 0;
}

inline_always int ethertype_refuse(__be16 ethertype)
{
	if (ethertype == bpf_htons(ETH_P_8021Q) || ethertype == bpf_htons(ETH_P_8021AD))
		return -DROP_VLAN_FILTERED;
	return -DROP_UNSUPPORTED_L3;
}

inline_always int ipv4_from_container(struct __sk_buff *ctx, struct packet *p, struct endpoint_info *endpoint)
{
	int offset, result;

	if (unlikely(!config_enable_ipv4))
		return -DROP_UNSUPPORTED_L3;
	offset = ipv4_parse(ctx, p);
	if (unlikely(offset < 0))
		return offset;
	result = target4_check(&p->destination[12]);
	if (unlikely(result < 0))
		return result;
	if (unlikely(halves(p->source)[1] != halves(endpoint->address4)[1]))
		return -DROP_INVALID_SOURCE_IP;
	return tuple_parse(ctx, p, offset);
}

inline_always int ipv6_from_container(struct __sk_buff *ctx, struct packet *p, struct endpoint_info *endpoint)
{
	void *data, *end;
	int offset;

	if (unlikely(!config_enable_ipv6))
		return -DROP_UNSUPPORTED_L3;
	offset = ipv6_parse(ctx, p);
	if (unlikely(offset < 0))
		return offset;
	if (p->destination[0] == 0xff || !address_equal(p->source, endpoint->address6) || is_unspecified(p->source)) {
		p->l4_offset = offset;
		return link6_from_container(ctx);
	}
	if (unlikely(is_unspecified(p->destination) || is_loopback6(p->destination)))
		return -DROP_UNKNOWN_TARGET;
	data = packet_data(ctx);
	end = packet_end(ctx);
	offset &= 0x3ff;
	if (p->protocol == IPPROTO_ICMPV6 && data + offset + 1 <= end && is_link_icmp6(*(__u8 *)(data + offset))) {
		p->l4_offset = offset;
		return link6_from_container(ctx);
	}
	return tuple_parse(ctx, p, offset);
}

inline_always int parse_from_container(struct __sk_buff *ctx, struct packet *p)
{
	struct endpoint_info *endpoint = bpf_map_lookup_elem(&cilium_endpoints, &p->slot);
	struct ethhdr *ethernet = packet_data(ctx);

	if (unlikely(!endpoint))
		return -DROP_INTERNAL;
	if (unlikely((void *)(ethernet + 1) > packet_end(ctx)))
		return -DROP_UNSUPPORTED_L2;
	if (unlikely(!mac_equal(ethernet->h_source, endpoint->mac)))
		return -DROP_INVALID_SOURCE_MAC;
	if (likely(ethernet->h_proto == bpf_htons(ETH_P_IP) || ethernet->h_proto == bpf_htons(ETH_P_IPV6))) {
		int multicast = ethernet->h_dest[0] & 1;
		int result;

		if (ethernet->h_proto == bpf_htons(ETH_P_IP))
			result = ipv4_from_container(ctx, p, endpoint);
		else
			result = ipv6_from_container(ctx, p, endpoint);
		/* unicast IP to a group of stations: what is not of the link's own protocols is not let in that way */
		return unlikely(result == 0 && multicast) ? -DROP_INVALID_DESTINATION_MAC : result;
	}
	if (ethernet->h_proto == bpf_htons(ETH_P_ARP))
		return arp_from_container(ctx, endpoint);
	return ethertype_refuse(ethernet->h_proto);
}

/* An ICMP error from a pod can only be about packets to that pod, which is no router. */
inline_always int related_from_container(struct packet *p)
{
	if (likely(!(p->traits & TRAIT_RELATED)) || address_equal(p->source, p->outer_source))
		return 0;
	return -DROP_INVALID_SOURCE_IP;
}

/* An endpoint's address is believed only from its own device. */
inline_always int source_device_check(struct packet *p, void *address)
{
	struct endpoint_info *endpoint;
	__u32 ref = address_lookup(p, address);

	if (!(ref & ADDRESS_LOCAL))
		return 0;
	ref &= ~ADDRESS_LOCAL;
	endpoint = bpf_map_lookup_elem(&cilium_endpoints, &ref);
	return endpoint && endpoint->ifindex == p->ingress_ifindex ? 0 : -DROP_INVALID_SOURCE_IP;
}

/*
 * Sources of packets to a pod are checked where the flow is known or decided; those of fragments before, so that a
 * forged first fragment leaves nothing for true ones to find. Any router may report an error.
 */
inline_always int fragment_to_container(struct packet *p)
{
	return unlikely(p->traits & TRAIT_FRAGMENT) ? source_device_check(p, p->source) : 0;
}

inline_always int related_to_container(struct packet *p)
{
	return unlikely(p->traits & TRAIT_RELATED) ? source_device_check(p, p->outer_source) : 0;
}

inline_always int from_container(struct __sk_buff *ctx, struct packet *p)
{
	struct cell_half *own;
	int result;

	result = packet_begin(ctx, p, DIRECTION_EGRESS);
	if (unlikely(result))
		return result;
	own = cell_get(p->slot, p->parity);
	if (unlikely(!own || !own->generation))
		return -DROP_NO_POLICY;
	result = parse_from_container(ctx, p);
	if (unlikely(result))
		return result;
	result = related_from_container(p);
	if (unlikely(result))
		return result;
	result = flow_find(p, own, 0);
	if (unlikely(result > 0) && service_possible(p))
		result = service_decide(ctx);
	if (unlikely(result > 0))
		result = decide_from_container(ctx, p, own);
	if (unlikely(result))
		return result;
	return deliver_from_container(ctx, p);
}

inline_always int ipv4_to_container(struct __sk_buff *ctx, struct packet *p, struct endpoint_info *endpoint)
{
	int offset, result;

	if (unlikely(!config_enable_ipv4))
		return -DROP_UNSUPPORTED_L3;
	offset = ipv4_parse(ctx, p);
	if (unlikely(offset < 0))
		return offset;
	result = target4_check(&p->destination[12]);
	if (unlikely(result < 0))
		return result;
	if (unlikely(halves(p->destination)[1] != halves(endpoint->address4)[1]))
		return -DROP_STALE_IP;
	if (unlikely(!source4_valid(&p->source[12])))
		return -DROP_INVALID_SOURCE_IP;
	result = fragment_to_container(p);
	return result < 0 ? result : tuple_parse(ctx, p, offset);
}

inline_always int ipv6_to_container(struct __sk_buff *ctx, struct packet *p, struct endpoint_info *endpoint)
{
	void *data, *end;
	int offset, result;

	if (unlikely(!config_enable_ipv6))
		return -DROP_UNSUPPORTED_L3;
	offset = ipv6_parse(ctx, p);
	if (unlikely(offset < 0))
		return offset;
	data = packet_data(ctx);
	end = packet_end(ctx);
	offset &= 0x3ff;
	if (!address_equal(p->destination, endpoint->address6) ||
	    (p->protocol == IPPROTO_ICMPV6 && data + offset + 1 <= end && is_link_icmp6(*(__u8 *)(data + offset)))) {
		p->l4_offset = offset;
		return link6_to_container(ctx);
	}
	if (unlikely(p->source[0] == 0xff || is_unspecified(p->source) || is_loopback6(p->source)))
		return -DROP_INVALID_SOURCE_IP;
	result = fragment_to_container(p);
	return result < 0 ? result : tuple_parse(ctx, p, offset);
}

inline_always int parse_to_container(struct __sk_buff *ctx, struct packet *p)
{
	struct endpoint_info *endpoint = bpf_map_lookup_elem(&cilium_endpoints, &p->slot);
	struct ethhdr *ethernet = packet_data(ctx);

	if (unlikely(!endpoint))
		return -DROP_INTERNAL;
	if (unlikely((void *)(ethernet + 1) > packet_end(ctx)))
		return -DROP_UNSUPPORTED_L2;
	if (ethernet->h_proto == bpf_htons(ETH_P_IP))
		return ipv4_to_container(ctx, p, endpoint);
	if (ethernet->h_proto == bpf_htons(ETH_P_IPV6))
		return ipv6_to_container(ctx, p, endpoint);
	if (ethernet->h_proto == bpf_htons(ETH_P_ARP))
		return arp_to_container(ctx, p);
	return ethertype_refuse(ethernet->h_proto);
}

inline_always int to_container(struct __sk_buff *ctx, struct packet *p)
{
	struct cell_half *own;
	int result;

	result = packet_begin(ctx, p, DIRECTION_INGRESS);
	if (unlikely(result))
		return result;
	own = cell_get(p->slot, p->parity);
	if (unlikely(!own || !own->generation))
		return -DROP_NO_POLICY;
	result = parse_to_container(ctx, p);
	if (unlikely(result))
		return result;
	result = related_to_container(p);
	if (unlikely(result))
		return result;
	result = flow_find(p, own, 1);
	if (unlikely(result > 0))
		result = decide_to_container(ctx, p, own);
	if (unlikely(result))
		return result;
	if (p->rewrite) {
		result = translate(ctx, p, 0);
		if (unlikely(result < 0))
			return result;
	}
	return FINAL(TC_ACT_OK);
}

/*
 * Dropped and reported as such; a client of a service without backends is told so too, by an ICMP error put into its
 * namespace.
 */
inline_always int egress_drop(struct __sk_buff *ctx, struct packet *p, int result)
{
	__u32 what = ICMP4_UNREACHABLE << 8 | ICMP4_CODE_PORT;

	packet_drop(ctx, p, -result, DIRECTION_EGRESS);
	if (result != -DROP_NO_SERVICE || !config_service_reject)
		return TC_ACT_SHOT;
	if (p->traits & TRAIT_IPV6)
		what = ICMP6_UNREACHABLE << 8 | ICMP6_CODE_PORT;
	if (icmp_answer_build(ctx, what, 0) < 0)
		return TC_ACT_SHOT;
	ctx->mark = 0;
	return bpf_redirect_peer(ctx->ifindex, 0);
}

inline_always int packet_finish(struct __sk_buff *ctx, struct packet *p, int result, __u32 direction)
{
	if (unlikely(result < 0))
		return packet_drop(ctx, p, -result, direction);
	metric_count(METRIC_FORWARDED, direction, ctx->len);
	return FINAL_ACTION(result);
}

SEC("tc")
int cil_from_container(struct __sk_buff *ctx)
{
	struct packet *p = packet_scratch();
	int result;

	if (unlikely(!p))
		return TC_ACT_SHOT;
	result = from_container(ctx, p);
	if (unlikely(result < 0))
		return egress_drop(ctx, p, result);
	return packet_finish(ctx, p, result, DIRECTION_EGRESS);
}

SEC("tc")
int cil_to_container(struct __sk_buff *ctx)
{
	struct packet *p = packet_scratch();

	if (unlikely(!p))
		return TC_ACT_SHOT;
	return packet_finish(ctx, p, to_container(ctx, p), DIRECTION_INGRESS);
}

/*
 * For the loader: writes jiffies and nanoseconds into the packet of a test run, from two of which it learns the
 * kernel's CONFIG_HZ.
 */
SEC("tc")
int cil_clock(struct __sk_buff *ctx)
{
	__u64 *data = packet_data(ctx);

	if ((void *)(data + 2) > packet_end(ctx))
		return TC_ACT_SHOT;
	data[0] = bpf_jiffies64();
	data[1] = bpf_ktime_get_ns();
	return TC_ACT_OK;
}

char program_license[] SEC("license") = "Dual BSD/GPL";
