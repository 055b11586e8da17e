// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* ICMP and ICMPv6: which message opens, answers or reports on which flow. */
#pragma once

#include "lib/addresses.h"
#include "lib/endpoints.h"
#include "lib/ipv6_headers.h"
#include "lib/packet.h"

#define ICMP4_ECHO_REPLY 0
#define ICMP4_UNREACHABLE 3
#define ICMP4_SOURCE_QUENCH 4
#define ICMP4_REDIRECT 5
#define ICMP4_ECHO_REQUEST 8
#define ICMP4_TIME_EXCEEDED 11
#define ICMP4_PARAMETER_PROBLEM 12
#define ICMP4_TIMESTAMP 13
#define ICMP4_ADDRESS_MASK_REPLY 18

#define ICMP6_UNREACHABLE 1
#define ICMP6_PARAMETER_PROBLEM 4
#define ICMP6_ECHO_REQUEST 128
#define ICMP6_ECHO_REPLY 129
#define ICMP6_MLD_QUERY 130
#define ICMP6_MLD_DONE 132
#define ICMP6_ROUTER_SOLICITATION 133
#define ICMP6_ROUTER_ADVERTISEMENT 134
#define ICMP6_NEIGHBOUR_SOLICITATION 135
#define ICMP6_NEIGHBOUR_ADVERTISEMENT 136
#define ICMP6_REDIRECT 137
#define ICMP6_MLD2_REPORT 143

#define ICMP_SIZE 8

/* What a message means for flows; sets ports, kind and traits. `id` is its identifier, where it has one. */
inline_always void icmp_request(struct packet *p, __be16 id, __u32 kind)
{
	p->source_port = id;
	p->destination_port = 0;
	p->kind = kind;
	p->role = ROLE_REQUESTER;
	p->traits |= TRAIT_INITIAL;
}

/* Both ends may send these, neither answers. */
inline_always void icmp_one_way(struct packet *p, __u32 kind)
{
	p->source_port = 0;
	p->destination_port = 0;
	p->kind = kind;
	p->traits |= TRAIT_INITIAL;
}

/* A reply that finds no flow is judged as itself each time: who it answers cannot be known. */
inline_always void icmp_reply(struct packet *p, __be16 id, __u32 kind)
{
	p->source_port = 0;
	p->destination_port = id;
	p->kind = kind;
	p->role = ROLE_RESPONDER;
	p->traits |= TRAIT_NO_FLOW;
}

/* 1: an error, which quotes a packet; 0: the tuple is complete; < 0: dropped. */
inline_always int icmp4_classify(struct packet *p, __u32 type, __be16 id)
{
	p->icmp_type = type;
	switch (type) {
	case ICMP4_ECHO_REQUEST:
		icmp_request(p, id, 0);
		return 0;
	case ICMP4_ECHO_REPLY:
		icmp_reply(p, id, 0);
		return 0;
	case ICMP4_UNREACHABLE:
	case ICMP4_SOURCE_QUENCH:
	case ICMP4_TIME_EXCEEDED:
	case ICMP4_PARAMETER_PROBLEM:
		return 1;
	case ICMP4_REDIRECT:
		return -DROP_UNKNOWN_ICMP4_TYPE; /* routes are not the workloads' to change */
	}
	if (type >= ICMP4_TIMESTAMP && type <= ICMP4_ADDRESS_MASK_REPLY) {
		/* odd: a request, the next even number: its reply */
		if (type & 1)
			icmp_request(p, id, type);
		else
			icmp_reply(p, id, type - 1);
		return 0;
	}
	icmp_one_way(p, type);
	return 0;
}

inline_always int icmp6_classify(struct packet *p, __u32 type, __be16 id)
{
	p->icmp_type = type;
	if (type == ICMP6_ECHO_REQUEST) {
		icmp_request(p, id, 0);
		return 0;
	}
	if (type == ICMP6_ECHO_REPLY) {
		icmp_reply(p, id, 0);
		return 0;
	}
	if (type >= ICMP6_UNREACHABLE && type <= ICMP6_PARAMETER_PROBLEM)
		return 1;
	if (type < ICMP6_ECHO_REQUEST)
		return -DROP_UNKNOWN_ICMP6_TYPE;
	icmp_one_way(p, type);
	return 0;
}

/* The ports of the quoted packet; the tuple becomes that of a packet that answers it. */
inline_always int related_ports(struct __sk_buff *ctx, struct packet *p, __u32 offset, __u32 protocol)
{
	__be16 port[4];
	__u32 type;
	int error;

	p->quoted_l4 = offset;
	p->source_port = 0;
	p->destination_port = 0;
	p->kind = 0;
	p->role = ROLE_NONE;
	p->protocol = protocol;
	if (offset + sizeof(port) > p->limit || bpf_skb_load_bytes(ctx, offset, port, sizeof(port)) < 0)
		return -DROP_TRUNCATED;
	if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP) {
		p->source_port = port[1];
		p->destination_port = port[0];
		return 0;
	}
	type = port[0] & 0xff;
	if (p->traits & TRAIT_IPV6) {
		if (protocol != IPPROTO_ICMPV6)
			return 0;
		error = icmp6_classify(p, type, port[2]);
		p->icmp_type = p->kind ? p->kind : ICMP6_ECHO_REQUEST;
	} else {
		if (protocol != IPPROTO_ICMP)
			return 0;
		error = icmp4_classify(p, type, port[2]);
		p->icmp_type = p->kind ? p->kind : ICMP4_ECHO_REQUEST;
	}
	if (error)
		return -DROP_INVALID_PACKET; /* no errors about errors */
	port[0] = p->source_port;
	p->source_port = p->destination_port;
	p->destination_port = port[0];
	if (p->role)
		p->role = ROLE_REQUESTER + ROLE_RESPONDER - p->role;
	p->traits &= ~(__u32)TRAIT_INITIAL;
	return 0;
}

/*
 * An ICMP error: the packet it quotes, at `offset`, tells the flow. The outer destination must have sent that packet;
 * any router may report on it. The tuple becomes that of a packet which travels the other way.
 */
__attribute__((noinline)) int related_parse(struct __sk_buff *ctx, __u32 offset)
{
	struct packet *p = packet_scratch();
	__u32 header[10];
	__u32 protocol;
	int walked;

	if (!p)
		return -DROP_INTERNAL;
	if (offset > 2 * MAX_EXTENSIONS_END)
		return -DROP_INVALID_PACKET;
	address_copy(p->outer_source, p->source);
	p->quoted_offset = offset;
	if (p->traits & TRAIT_IPV6) {
		if (bpf_skb_load_bytes(ctx, offset, header, IPV6_SIZE) < 0)
			return -DROP_TRUNCATED;
		if ((header[0] & 0xf0) != 0x60)
			return -DROP_INVALID_PACKET;
		walked = ipv6_walk(ctx, offset + IPV6_SIZE, (header[1] >> 16) & 0xff);
		if (walked < 0)
			return walked;
		if (p->walk_fragment == FRAGMENT_LATER)
			return -DROP_INVALID_PACKET;
		if (words(p->destination)[0] != header[2] || words(p->destination)[1] != header[3] ||
		    words(p->destination)[2] != header[4] || words(p->destination)[3] != header[5])
			return -DROP_INVALID_PACKET;
		words(p->source)[0] = header[6];
		words(p->source)[1] = header[7];
		words(p->source)[2] = header[8];
		words(p->source)[3] = header[9];
		offset = walked & 0xffff;
		protocol = (walked >> 16) & 0xff;
	} else {
		if (bpf_skb_load_bytes(ctx, offset, header, IPV4_SIZE) < 0)
			return -DROP_TRUNCATED;
		if ((header[0] & 0xf0) != 0x40 || (header[0] & 0x0f) < 5)
			return -DROP_INVALID_PACKET;
		if (bpf_ntohs(header[1] >> 16) & 0x1fff)
			return -DROP_INVALID_PACKET;
		if (words(p->destination)[3] != header[3])
			return -DROP_INVALID_PACKET;
		words(p->source)[3] = header[4];
		offset += (header[0] & 0x0f) * 4;
		protocol = (header[2] >> 8) & 0xff;
	}
	p->traits |= TRAIT_RELATED | TRAIT_NO_FLOW;
	return related_ports(ctx, p, offset, protocol);
}
