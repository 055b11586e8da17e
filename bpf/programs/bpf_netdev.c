// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The programs of a node's devices to the outside: what comes in (services for clients outside, answers to translated
 * connections) and what leaves (masquerade, answers of services' local backends). Packets that are none of these pass
 * as they are, whatever they look like: they are the stack's to judge.
 */
#include "lib/common.h"

#define NAT_CONTEXT struct __sk_buff

#include "lib/ethernet_restore.h"
#include "lib/event_emit.h"
#include "lib/ipip.h"
#include "lib/local_link.h"
#include "lib/masquerade.h"
#include "lib/north_south.h"
#include "lib/tcp_reset.h"
#include "lib/vlan.h"

/* Types that no map carries, made part of the object's BTF, from which the TypeScript layouts are generated. */
struct layout_anchor {
	enum nat_flag nat_flag;
	enum nat_state nat_state;
	enum masquerade_flag masquerade_flag;
};

volatile const struct layout_anchor layout_anchor = {};

/* pkt_type: not for this machine (linux/if_packet.h) */
#define FOREIGN_HOST 3

#define PASS FINAL(TC_ACT_OK)

inline_always void packet_begin(struct __sk_buff *ctx, struct packet *p, __u32 direction)
{
	p->traits = 0;
	p->direction = direction;
	p->ingress_ifindex = ctx->ingress_ifindex;
	p->protocols = 0;
	p->role = ROLE_NONE;
	p->now = ticks_now();
	p->slot = NO_SLOT;
}

/* Addresses and protocol: the offset of what follows; PASS - 1 and below: nothing that could be translated. */
inline_always int network_parse(struct __sk_buff *ctx, struct packet *p)
{
	void *data, *end;
	int offset;

	if (ctx->protocol == bpf_htons(ETH_P_IP)) {
		if (packet_data(ctx) + LINEAR_IPV4 > packet_end(ctx))
			linear_pull(ctx, LINEAR_WANTED);
		return ipv4_parse(ctx, p);
	}
	if (ctx->protocol != bpf_htons(ETH_P_IPV6))
		return -DROP_UNSUPPORTED_L3;
	if (packet_data(ctx) + LINEAR_IPV6 > packet_end(ctx))
		linear_pull(ctx, LINEAR_WANTED);
	offset = ipv6_parse(ctx, p);
	if (offset < 0)
		return offset;
	data = packet_data(ctx);
	end = packet_end(ctx);
	offset &= 0x3ff;
	if (p->destination[0] == 0xff)
		return -DROP_MULTICAST_HANDLED;
	if (p->protocol == IPPROTO_ICMPV6 && data + offset + 1 <= end && is_link_icmp6(*(__u8 *)(data + offset)))
		return -DROP_MULTICAST_HANDLED;
	return offset;
}

/* The packet becomes what work->entry says: 0 or < 0. */
inline_always int translate(struct __sk_buff *ctx, struct packet *p)
{
	return p->traits & TRAIT_RELATED ? nat_rewrite_related(ctx) : nat_rewrite(ctx);
}

/* A packet that goes out again. What it does not fit, or where there is no way, its sender is told. */
inline_always int forward(struct __sk_buff *ctx, struct packet *p, struct nat_work *work)
{
	__u32 within = work->entry.flags & NAT_IPIP;
	__u32 extra = within ? ipip_size(p) : work->entry.flags & NAT_DSR ? dsr_size(p) : 0;
	struct nat_route *route;
	int result;

	if (p->hop_limit <= 1)
		return -DROP_TTL_EXCEEDED;
	result = route_find(ctx, extra);
	if (result == -DROP_FRAG_NEEDED) {
		route = route_scratch();
		if (route)
			route->mtu -= extra;
	}
	if (result < 0)
		return result;
	result = priority_tag_remove(ctx);
	if (result < 0)
		return result;
	result = within ? ipip_insert(ctx) : translate(ctx, p);
	if (result >= 0 && extra && !within)
		result = dsr_insert(ctx);
	return result < 0 ? result : route_take(ctx, p);
}

/* Whether the entry stands for what this packet belongs to: 1; 0: it does not, or no more. */
inline_always int entry_holds(struct packet *p, struct nat_work *work, struct nat_entry *entry)
{
	__u32 flags = entry->flags;

	if (p->traits & TRAIT_RELATED)
		return 1;
	if ((p->traits & TRAIT_INITIAL) && p->protocol == IPPROTO_TCP) {
		/* opens a connection: never an answer, and not within one that has ended */
		if (flags & NAT_REPLY)
			return 0;
		if (nat_is_closing(entry->state)) {
			nat_forget();
			return 0;
		}
	}
	if ((flags & (NAT_SERVICE | NAT_REPLY)) == NAT_SERVICE && !backend_if(entry->backend, entry->generation)) {
		work->lost = 1;
		nat_entry_copy(&work->past, entry);
		nat_forget();
		return 0;
	}
	return !nat_touch(work, entry);
}

inline_always int found(struct packet *p, struct nat_work *work)
{
	struct nat_entry *entry = nat_find(work);

	if (!entry || !entry_holds(p, work, entry))
		return 0;
	nat_entry_copy(&work->entry, entry);
	return 1;
}

/*
 * A segment within a connection whose backend has gone, that another one elsewhere would answer directly: in its own name,
 * for the frontend travels with the first segment only, and its refusal would not be believed. The connection's entry is
 * left as it was, so that what is sent again meets the same. One that has come back at the same address is not another.
 */
inline_always int is_stranded(struct packet *p, struct nat_work *work)
{
	struct nat_entry *entry = &work->entry, *past = &work->past;

	if (!work->lost || (entry->flags & (NAT_DSR | NAT_IPIP)) != NAT_DSR || !is_resettable(p))
		return 0;
	if (entry->destination_port == past->destination_port && address_equal(entry->destination, past->destination))
		return 0;
	nat_write(&work->key, past, BPF_ANY);
	return 1;
}

/* DSR options lie only in packets to backends of this node, and only where there is room for them. */
inline_always int carries_frontend(struct packet *p)
{
	struct address_ref *ref;

	if (!(p->traits & TRAIT_OPTIONS) && (!(p->traits & TRAIT_IPV6) || p->l4_offset < ETHERNET_SIZE + IPV6_SIZE + DSR_SIZE6))
		return 0;
	if (p->traits & TRAIT_RELATED)
		return 0;
	ref = bpf_map_lookup_elem(&cilium_addresses, p->destination);
	return ref && ((ref->ref & ADDRESS_LOCAL) || is_node_address(p->destination));
}

/*
 * Nothing treats the packet. If its destination is only a service's address, the stack would send it back to the router
 * that sent it here: it is dropped. Else it passes.
 */
inline_always int stray(struct packet *p, int service, int reason)
{
	struct frontend_key key;

	if (!service)
		return PASS;
	frontend_key_fill(&key, p->destination, 0, 0);
	return frontend_lookup(&key) == SERVICE_WILDCARD ? -reason : PASS;
}

inline_always int from_netdev(struct __sk_buff *ctx, struct packet *p, struct nat_work *work)
{
	int offset, result, service;

	work->lost = 0;
	if (ctx->pkt_type == FOREIGN_HOST || vlan_is_another(ctx))
		return PASS;
	packet_begin(ctx, p, DIRECTION_INGRESS);
	result = ethernet_restore(ctx);
	if (result < 0)
		return result;
	offset = network_parse(ctx, p);
	if (offset < 0)
		return PASS;
	service = vip_possible(p->destination);
	result = tuple_parse(ctx, p, offset);
	if (result < 0)
		return stray(p, service, -result);
	if (carries_frontend(p)) {
		result = dsr_receive(ctx);
		if (result)
			return result < 0 ? result : PASS;
	}
	if (!service && !(p->traits & TRAIT_RELATED) && !nat_port_marked(p->destination_port))
		return PASS;
	nat_take(p, work);
	if (!found(p, work)) {
		if (!service || (p->traits & TRAIT_RELATED))
			return stray(p, service, DROP_UNKNOWN_FLOW);
		result = outside_service(ctx);
		if (result <= 0)
			return result < 0 ? result : PASS;
		if (is_stranded(p, work))
			return -DROP_NO_SERVICE;
	}
	if (work->entry.flags & NAT_LEAVES)
		return forward(ctx, p, work);
	result = translate(ctx, p);
	return result < 0 ? result : PASS;
}

/* What was built goes out by the device that its cause came in by: FINAL. */
inline_always int answer_send(struct __sk_buff *ctx)
{
	ctx->mark = (ctx->mark & ~MARK_MASK) | MARK_DONE;
	return FINAL(bpf_redirect(ctx->ifindex, 0));
}

/* An ICMP error to the sender of the packet in hand: FINAL, or < 0 where none is sent. */
inline_always int icmp_answer(struct __sk_buff *ctx, __u32 what, __u32 info)
{
	int result = priority_tag_remove(ctx);

	if (result >= 0)
		result = icmp_answer_build(ctx, what, info);
	return result < 0 ? result : answer_send(ctx);
}

/* A reset of the connection that the segment in hand is of: FINAL, or < 0 where none is sent. */
inline_always int reset_answer(struct __sk_buff *ctx)
{
	int result = priority_tag_remove(ctx);

	if (result >= 0)
		result = tcp_reset_build(ctx);
	return result < 0 ? result : answer_send(ctx);
}

/*
 * To whom nobody serves. Who has a connection, whose backend has gone, hears of it whatever is configured, as it would
 * from another backend; an ICMP error would not end it.
 */
inline_always int no_service(struct __sk_buff *ctx, struct packet *p)
{
	struct nat_work *work = nat_scratch();
	struct icmp_answer *answer = answer_scratch();
	__u32 ipv6 = p->traits & TRAIT_IPV6;

	if (!work || !answer)
		return -1;
	if (is_resettable(p) && work->lost)
		return reset_answer(ctx);
	if (!config_service_reject || check_offset(p->protocol) == ICMP_CHECK)
		return -1;
	if (is_resettable(p))
		return answer_allowed(p, answer) ? reset_answer(ctx) : -1;
	return icmp_answer(ctx, ipv6 ? ICMP6_UNREACHABLE << 8 | ICMP6_CODE_PORT : ICMP4_UNREACHABLE << 8 | ICMP4_CODE_PORT, 0);
}

/* The sender's error, for what is dropped because of its way or its destination. */
inline_always int refuse(struct __sk_buff *ctx, struct packet *p, int result)
{
	struct nat_route *route = route_scratch();
	__u32 ipv6 = p->traits & TRAIT_IPV6;

	switch (-result) {
	case DROP_NO_SERVICE:
		return no_service(ctx, p);
	case DROP_TTL_EXCEEDED:
		return icmp_answer(ctx, ipv6 ? ICMP6_TIME_EXCEEDED << 8 : ICMP4_TIME_EXCEEDED << 8, 0);
	case DROP_FRAG_NEEDED:
		if (!route)
			return -1;
		return icmp_answer(ctx, ipv6 ? ICMP6_PACKET_TOO_BIG << 8 : ICMP4_UNREACHABLE << 8 | ICMP4_CODE_FRAG_NEEDED, route->mtu);
	}
	return -1;
}

/* Whether the packet came from an endpoint's device and has the endpoint's address. */
inline_always int is_endpoints(struct packet *p)
{
	void *source = p->traits & TRAIT_RELATED ? p->outer_source : p->source;
	struct endpoint_info *endpoint;
	__u32 slot;

	if (!p->ingress_ifindex)
		return 0;
	slot = device_slot(p->ingress_ifindex) - 1;
	if (slot == NO_SLOT)
		return 0;
	endpoint = bpf_map_lookup_elem(&cilium_endpoints, &slot);
	if (!endpoint)
		return 0;
	return p->traits & TRAIT_IPV6 ? address_equal(source, endpoint->address6) : address_equal(source, endpoint->address4);
}

inline_always int to_netdev(struct __sk_buff *ctx, struct packet *p, struct nat_work *work)
{
	int offset, result, endpoint;

	if (vlan_is_another(ctx))
		return PASS;
	if ((ctx->mark & MARK_MASK) == MARK_DONE) {
		ctx->mark &= ~MARK_MASK;
		return PASS;
	}
	packet_begin(ctx, p, DIRECTION_EGRESS);
	offset = network_parse(ctx, p);
	if (offset < 0)
		return PASS;
	result = tuple_parse(ctx, p, offset);
	endpoint = is_endpoints(p);
	if (result < 0)
		return PASS;
	if (!endpoint && !(p->traits & TRAIT_RELATED) && !nat_port_marked(p->source_port))
		return PASS;
	nat_take(p, work);
	if (!found(p, work)) {
		if (p->traits & TRAIT_RELATED)
			return PASS;
		result = endpoint ? masquerade(ctx) : collision_avoid(ctx);
		if (result <= 0)
			return result < 0 ? result : PASS;
	}
	result = translate(ctx, p);
	return result < 0 ? result : PASS;
}

/* What is not treated is left to other programs on the device, if there are any. */
inline_always int packet_finish(struct __sk_buff *ctx, struct packet *p, int result)
{
	if (result < 0)
		return packet_drop(ctx, p, -result, p->direction);
	return FINAL_ACTION(result) == TC_ACT_OK ? TC_ACT_UNSPEC : FINAL_ACTION(result);
}

SEC("tc")
int cil_from_netdev(struct __sk_buff *ctx)
{
	struct packet *p = packet_scratch();
	struct nat_work *work = nat_scratch();
	int result, answer;

	if (!p || !work)
		return TC_ACT_SHOT;
	result = from_netdev(ctx, p, work);
	if (result < 0) {
		packet_drop(ctx, p, -result, DIRECTION_INGRESS);
		answer = refuse(ctx, p, result);
		return answer > 0 ? FINAL_ACTION(answer) : TC_ACT_SHOT;
	}
	return packet_finish(ctx, p, result);
}

SEC("tc")
int cil_to_netdev(struct __sk_buff *ctx)
{
	struct packet *p = packet_scratch();
	struct nat_work *work = nat_scratch();

	if (!p || !work)
		return TC_ACT_SHOT;
	return packet_finish(ctx, p, to_netdev(ctx, p, work));
}

char program_license[] SEC("license") = "Dual BSD/GPL";
