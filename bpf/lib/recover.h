// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Connections that outlive their entry in the flow table. */
#pragma once

#include "lib/endpoints.h"
#include "lib/judge.h"
#include "lib/packet.h"

#define TCP_STATE_LISTEN 10
#define TCP_STATE_NEW_SYN_RECV 12

inline_always int is_recoverable(struct packet *p)
{
	return p->protocol == IPPROTO_TCP && !(p->traits & (TRAIT_INITIAL | TRAIT_FRAGMENT | TRAIT_RELATED));
}

/*
 * Whether the endpoint has the very socket of a connection: the far address and port first, as in a packet to it. The
 * look-up falls back to listeners, which prove nothing; a request socket has seen a SYN only, so a SYN-ACK may be its.
 */
inline_always int socket_confirms(struct __sk_buff *ctx, struct packet *p, __u32 end, __u32 reverse)
{
	struct bpf_sock_tuple tuple = {};
	struct endpoint_info *endpoint;
	struct bpf_sock *socket;
	__u32 slot = end - 1, size, state;

	endpoint = bpf_map_lookup_elem(&cilium_endpoints, &slot);
	if (!endpoint || endpoint->netns_id < 0)
		return 0; /* a negative id would mean the node's own namespace */
	if (p->traits & TRAIT_IPV6) {
		size = sizeof(tuple.ipv6);
		if (reverse) {
			__builtin_memcpy(tuple.ipv6.saddr, p->destination, ADDRESS_SIZE);
			__builtin_memcpy(tuple.ipv6.daddr, p->source, ADDRESS_SIZE);
			tuple.ipv6.sport = p->destination_port;
			tuple.ipv6.dport = p->source_port;
		} else {
			__builtin_memcpy(tuple.ipv6.saddr, p->source, ADDRESS_SIZE);
			__builtin_memcpy(tuple.ipv6.daddr, p->destination, ADDRESS_SIZE);
			tuple.ipv6.sport = p->source_port;
			tuple.ipv6.dport = p->destination_port;
		}
	} else {
		size = sizeof(tuple.ipv4);
		tuple.ipv4.saddr = words(reverse ? p->destination : p->source)[3];
		tuple.ipv4.daddr = words(reverse ? p->source : p->destination)[3];
		tuple.ipv4.sport = reverse ? p->destination_port : p->source_port;
		tuple.ipv4.dport = reverse ? p->source_port : p->destination_port;
	}
	socket = bpf_skc_lookup_tcp(ctx, &tuple, size, endpoint->netns_id, 0);
	if (!socket)
		return 0;
	state = socket->state;
	bpf_sk_release(socket);
	if (state == TCP_STATE_LISTEN)
		return 0;
	if (state == TCP_STATE_NEW_SYN_RECV)
		return (p->tcp_flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK);
	return 1;
}

inline_always struct cell_half *end_policy(struct packet *p, __u32 end)
{
	return end & FLOW_REMOTE ? 0 : cell_get(end - 1, p->parity);
}

/*
 * A TCP segment in the middle of a connection whose entry is lost, refused in its own direction: it may answer a
 * connection that policy allows the other way. Policy alone must not open that (any segment could claim it), so an end
 * has to have the socket; the presumed beginner's own if it is local, for the sender could make one up.
 */
__attribute__((noinline)) int flow_recover(struct __sk_buff *ctx)
{
	struct packet *p = packet_scratch();
	__u32 source, destination;
	int confirmed;

	if (!p)
		return 0;
	source = p->party[SOURCE].end;
	destination = p->party[DESTINATION].end;
	if (policy_judge(p, end_policy(p, source), end_policy(p, destination), 1) < 0)
		return 0;
	if (!(destination & FLOW_REMOTE))
		confirmed = socket_confirms(ctx, p, destination, 0);
	else
		confirmed = socket_confirms(ctx, p, source, 1);
	if (confirmed)
		p->traits |= TRAIT_RECOVERED;
	return confirmed;
}
