// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Direct server return: a packet goes to its backend on another node with the client's address, and with the frontend
 * in an IPv4 option or an IPv6 destination option; that node answers the client in the frontend's name.
 */
#pragma once

#include "lib/flow_state.h"
#include "lib/nat_packet.h"
#include "lib/select.h"

/* Copied into fragments, class control, number 26: the type that Cilium uses. */
#define DSR_OPTION4 0x9a
#define DSR_SIZE4 8
/* Skipped by who does not know it. */
#define DSR_OPTION6 0x1b
#define DSR_SIZE6 24
#define IPV4_MAX_SIZE 60

struct dsr_option4 {
	__u8 type;
	__u8 length;
	__be16 port;
	__be32 address;
};

/* A destination options header of its own. */
struct dsr_option6 {
	__u8 next;
	__u8 size; /* in units of 8 bytes, without the first */
	__u8 type;
	__u8 length; /* of what follows */
	__u32 address[4];
	__be16 port;
	__u16 reserved;
};

/* With these packets the frontend travels: the first ones of TCP, where loss is made good, all of the others. */
inline_always int dsr_wanted(struct packet *p)
{
	if (p->traits & TRAIT_LATER_FRAGMENT)
		return 0;
	return p->protocol == IPPROTO_TCP ? (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN : 1;
}

inline_always __u32 dsr_size(struct packet *p)
{
	if (!dsr_wanted(p))
		return 0;
	return p->traits & TRAIT_IPV6 ? DSR_SIZE6 : DSR_SIZE4;
}

inline_always int dsr4_insert(struct __sk_buff *ctx, struct packet *p)
{
	struct dsr_option4 option = { DSR_OPTION4, DSR_SIZE4, p->destination_port, words(p->destination)[3] };
	void *data = packet_data(ctx);
	struct iphdr *ip = data + ETHERNET_SIZE;
	__u16 old, new;
	__u64 change;

	if (data + ETHERNET_SIZE + IPV4_SIZE > packet_end(ctx))
		return -DROP_WRITE_ERROR;
	if (ip->ihl * 4 + DSR_SIZE4 > IPV4_MAX_SIZE)
		return -DROP_IP_OPTIONS;
	old = *(__u16 *)ip;
	new = old + DSR_SIZE4 / 4; /* header length: the low half of the first byte */
	change = sum_change2(old, new);
	*(__u16 *)ip = new;
	old = ip->tot_len;
	new = bpf_htons(bpf_ntohs(old) + DSR_SIZE4);
	change += sum_change2(old, new);
	change += (__u64)((__u32 *)&option)[0] + ((__u32 *)&option)[1];
	ip->tot_len = new;
	ip->check = sum_apply(ip->check, change);
	if (bpf_skb_adjust_room(ctx, DSR_SIZE4, BPF_ADJ_ROOM_NET, 0) < 0)
		return -DROP_WRITE_ERROR;
	if (bpf_skb_store_bytes(ctx, ETHERNET_SIZE + IPV4_SIZE, &option, sizeof(option), 0) < 0)
		return -DROP_WRITE_ERROR;
	return 0;
}

inline_always int dsr6_insert(struct __sk_buff *ctx, struct packet *p)
{
	struct dsr_option6 option = {};
	void *data = packet_data(ctx);
	struct ipv6hdr *ip = data + ETHERNET_SIZE;

	if (data + ETHERNET_SIZE + IPV6_SIZE > packet_end(ctx))
		return -DROP_WRITE_ERROR;
	/* no extension header may come before those that every hop looks at */
	if (ip->nexthdr == NEXT_HOP_BY_HOP)
		return -DROP_INVALID_EXTENSION_HEADER;
	option.next = ip->nexthdr;
	option.size = DSR_SIZE6 / 8 - 1;
	option.type = DSR_OPTION6;
	option.length = DSR_SIZE6 - 4;
	option.address[0] = words(p->destination)[0];
	option.address[1] = words(p->destination)[1];
	option.address[2] = words(p->destination)[2];
	option.address[3] = words(p->destination)[3];
	option.port = p->destination_port;
	ip->nexthdr = NEXT_DESTINATION;
	ip->payload_len = bpf_htons(bpf_ntohs(ip->payload_len) + DSR_SIZE6);
	if (bpf_skb_adjust_room(ctx, DSR_SIZE6, BPF_ADJ_ROOM_NET, 0) < 0)
		return -DROP_WRITE_ERROR;
	if (bpf_skb_store_bytes(ctx, ETHERNET_SIZE + IPV6_SIZE, &option, sizeof(option), 0) < 0)
		return -DROP_WRITE_ERROR;
	return 0;
}

/* Adds the frontend, which the packet in hand was sent to, to a packet that has its backend's address already. */
__attribute__((noinline)) int dsr_insert(struct __sk_buff *ctx)
{
	struct packet *p = packet_scratch();

	if (!p)
		return -DROP_INTERNAL;
	return p->traits & TRAIT_IPV6 ? dsr6_insert(ctx, p) : dsr4_insert(ctx, p);
}

/* The frontend that a packet carries, into the entry of its answers: 1; 0: it carries none. */
inline_always int dsr_read(struct __sk_buff *ctx, struct packet *p, struct nat_entry *answer)
{
	if (p->traits & TRAIT_IPV6) {
		struct dsr_option6 option;

		if (bpf_skb_load_bytes(ctx, ETHERNET_SIZE + IPV6_SIZE, &option, sizeof(option)) < 0)
			return 0;
		if (option.type != DSR_OPTION6 || option.length != DSR_SIZE6 - 4 || option.size != DSR_SIZE6 / 8 - 1)
			return 0;
		words(answer->source)[0] = option.address[0];
		words(answer->source)[1] = option.address[1];
		words(answer->source)[2] = option.address[2];
		words(answer->source)[3] = option.address[3];
		answer->source_port = option.port;
	} else {
		struct dsr_option4 option;

		if (bpf_skb_load_bytes(ctx, ETHERNET_SIZE + IPV4_SIZE, &option, sizeof(option)) < 0)
			return 0;
		if (option.type != DSR_OPTION4 || option.length != DSR_SIZE4)
			return 0;
		halves(answer->source)[0] = 0;
		halves(answer->source)[1] = mapped_half(option.address);
		answer->source_port = option.port;
	}
	return 1;
}

/* Whether this is a frontend at all: nobody is answered in the name of something else. Gives the service's id, or 0. */
inline_always __u32 dsr_service(struct packet *p, struct nat_entry *answer)
{
	struct frontend_key key;
	struct service *service;
	__u32 id;

	frontend_key_fill(&key, answer->source, answer->source_port, p->protocol);
	id = service_find_outside(&key, &service);
	if (!id) {
		/* a NodePort, at the address of another node */
		frontend_key_any_address(&key, p->traits & TRAIT_IPV6);
		id = service_find_outside(&key, &service);
	}
	return id && (service->flags & SERVICE_DSR) ? id : 0;
}

/*
 * Whether the packet's destination is a backend of the service that it names: anybody can send such a packet, and nobody
 * shall answer in the name of a service that is not its own.
 */
inline_always int dsr_is_backend(struct packet *p, struct nat_work *work, __u32 id)
{
	struct service *service = service_get(id);
	struct pool_member *member = (struct pool_member *)&work->key; /* unused so far */

	if (!service)
		return 0;
	address_copy(member->address, p->destination);
	member->pool = service->pool;
	member->port = p->destination_port;
	member->protocol = p->protocol;
	member->reserved = 0;
	return bpf_map_lookup_elem(&cilium_pool_members, member) != 0;
}

/* TCP states in which a connection is somebody's (net/tcp_states.h). */
#define TCP_STATES_OPEN (1u << 1 | 1u << 2 | 1u << 4 | 1u << 5 | 1u << 8 | 1u << 9 | 1u << 11)

/* A process of the node that has a connection with the client. */
inline_always int dsr_host_connection(struct __sk_buff *ctx, struct packet *p)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket;
	__u32 size, state;

	if (p->traits & TRAIT_IPV6) {
		size = sizeof(tuple.ipv6);
		__builtin_memcpy(tuple.ipv6.saddr, p->source, ADDRESS_SIZE);
		__builtin_memcpy(tuple.ipv6.daddr, p->destination, ADDRESS_SIZE);
		tuple.ipv6.sport = p->source_port;
		tuple.ipv6.dport = p->destination_port;
	} else {
		size = sizeof(tuple.ipv4);
		tuple.ipv4.saddr = words(p->source)[3];
		tuple.ipv4.daddr = words(p->destination)[3];
		tuple.ipv4.sport = p->source_port;
		tuple.ipv4.dport = p->destination_port;
	}
	socket = bpf_skc_lookup_tcp(ctx, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (!socket)
		return 0;
	state = socket->state;
	bpf_sk_release(socket);
	return state < 32 && (TCP_STATES_OPEN >> state & 1);
}

/*
 * Whether the client talks to the backend directly already: a packet, which anybody may have sent in the client's name,
 * does not turn the answers within that flow elsewhere. Neither does one after a reset, which may be forged as well. Of
 * a process of the node no flow is known, and its datagrams are not told apart.
 */
inline_always int dsr_stands_in_the_way(struct __sk_buff *ctx, struct packet *p)
{
	struct flow *flow;
	__u32 state;

	if (is_node_address(p->destination))
		return p->protocol == IPPROTO_TCP && dsr_host_connection(ctx, p);
	flow = bpf_map_lookup_elem(&cilium_flows, &p->key);
	if (!flow)
		return 0;
	state = flow->state & ~FLOW_RESET;
	return !is_closing(state) && (__s32)(p->now - flow->last_seen) <= (__s32)flow_timeout(p, state);
}

/* Whether the client's connection to this endpoint has ended, as both ends have said: its ports are free for another. */
inline_always int dsr_has_ended(struct packet *p)
{
	struct flow *flow;

	if (p->protocol != IPPROTO_TCP)
		return 0;
	flow = bpf_map_lookup_elem(&cilium_flows, &p->key);
	return flow && is_closing(flow->state & ~(__u32)FLOW_RESET);
}

/*
 * A packet to an endpoint of this node that may carry a frontend: its answers are sent in that name from now on. 1, 0
 * where it carries none, or a drop reason. The packet goes on as it is.
 */
__attribute__((noinline)) int dsr_receive(struct __sk_buff *ctx)
{
	struct packet *p = packet_scratch();
	struct nat_work *work = nat_scratch();
	struct nat_entry *found;
	__u32 id;
	int old;

	if (!p || !work)
		return -DROP_INTERNAL;
	if (!dsr_wanted(p) || !dsr_read(ctx, p, &work->partner))
		return 0;
	id = dsr_service(p, &work->partner);
	if (!id)
		return -DROP_NO_SERVICE;
	address_copy(work->partner_key.source, p->destination);
	address_copy(work->partner_key.destination, p->source);
	((__u64 *)&work->partner_key)[4] = p->destination_port | (__u32)p->source_port << 16 | (__u64)p->protocol << 32;
	address_copy(work->partner.destination, p->source);
	work->partner.destination_port = p->source_port;
	work->partner.service = id;
	work->partner.flags = NAT_REPLY | NAT_SERVICE | NAT_ALONE | NAT_DSR;
	work->partner.backend = 0;
	work->partner.generation = 0;
	work->partner.last_seen = p->now;
	work->partner.state = 0;
	work->partner.reserved[0] = 0;
	work->partner.reserved[1] = 0;
	found = bpf_map_lookup_elem(&cilium_nat, &work->partner_key);
	if (found) {
		old = nat_is_partner(work, found);
		if (old && !nat_is_closing(found->state)) {
			if (found->last_seen != p->now)
				found->last_seen = p->now;
			return 1;
		}
		/* the client uses one port to two frontends, and both led here; the entry sees the end of one side only */
		if (!old && !nat_is_closing(found->state) &&
		    (__s32)(p->now - found->last_seen) <= (__s32)nat_timeout(p->protocol, found->state) && !dsr_has_ended(p))
			return -DROP_NAT_NO_MAPPING;
	}
	if (!dsr_is_backend(p, work, id))
		return -DROP_NOT_A_BACKEND;
	if (dsr_stands_in_the_way(ctx, p))
		return -DROP_NAT_NO_MAPPING;
	/* where the backend is a process of the node, its answers are looked at for the sake of their port */
	if (is_node_address(p->destination))
		nat_port_mark(p->destination_port);
	return nat_write(&work->partner_key, &work->partner, BPF_ANY) < 0 ? -DROP_NAT_NO_MAPPING : 1;
}
