// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Where a socket that connects or sends goes instead, and where what it receives claims to be from. */
#pragma once

#include "lib/select.h"
#include "lib/sock_config.h"
#include "lib/sock_peers.h"

#define AF_INET6 10
#define EHOSTUNREACH 113
#define EADDRINUSE 98

/* Backends of a run that are tried where one already answers the same socket for another service. */
#define PEER_ATTEMPTS 8

/* What the programs of sockets return to the kernel. */
#define SOCK_REFUSE 0
#define SOCK_ACCEPT 1

/* What sock_forward() found. */
#define FORWARD_AS_IS 0
#define FORWARD_TO_BACKEND 1
#define FORWARD_NOWHERE (-EHOSTUNREACH)

/*
 * One system call. Programs of sockets can be preempted by one another, so this lies on the stack, not in a scratch of
 * the CPU.
 */
struct sock_call {
	struct frontend_key frontend; /* as the socket was told, but for "any address of this node" */
	__u32 id; /* of the service */
	struct choice choice;
	__u8 address[ADDRESS_SIZE]; /* as the socket was told */
	struct affinity_key affinity;
	struct socket_key key;
	struct socket_peer peer;
};

/* ::1, or 127.0.0.0/8. */
inline_always int is_loopback(const void *address)
{
	const __u32 *word = address;

	if (word[0] || word[1])
		return 0;
	if (word[2] == bpf_htonl(0x0000ffff))
		return (word[3] & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
	return !word[2] && word[3] == bpf_htonl(1);
}

/*
 * Addresses that anybody can write into a service (external ones, a pod's host address) are believed only where they
 * are this node's: otherwise who may write services could take over any address of the internet (CVE-2020-8554).
 */
inline_always int service_is_believed(struct service *service, void *address)
{
	if (!config_external_ip_mitigation)
		return 1;
	if (!(service->flags & (SERVICE_EXTERNAL_IP | SERVICE_HOST_PORT)))
		return 1;
	if ((service->flags & SERVICE_HOST_PORT) && is_loopback(address))
		return 1;
	return is_node_address(address);
}

/* The service that a socket of the cluster reaches under the address and port of `call`, or 0. */
inline_always struct service *sock_service(struct bpf_sock_addr *ctx, struct sock_call *call)
{
	int loopback = is_loopback(call->address);
	struct service *service = 0;

	if (vip_possible(call->address)) {
		call->id = service_find_inside(&call->frontend, &service);
		if (call->id)
			return service_is_believed(service, call->address) ? service : 0;
		if (!loopback && !is_node_address(call->address))
			return 0;
	} else if (!loopback) {
		return 0;
	}
	/* a pod's own loopback addresses are not the node's */
	if (loopback && !in_host_netns(ctx))
		return 0;
	frontend_key_any_address(&call->frontend, !is_mapped(call->address));
	if (!vip_possible(call->frontend.address))
		return 0;
	call->id = service_find_inside(&call->frontend, &service);
	return call->id ? service : 0;
}

/* Who the socket's client is to session affinity: its network namespace, since it has no address yet. */
inline_always void affinity_key_of(struct bpf_sock_addr *ctx, struct sock_call *call, __u32 pool)
{
	call->affinity.pool = pool;
	call->affinity.reserved = 0;
	halves(call->affinity.client)[0] = bpf_get_netns_cookie(ctx);
	halves(call->affinity.client)[1] = ~0ull;
}

/*
 * The backend of a service for this socket: that of session affinity, or what the hash of the socket's cookie leads to.
 * With affinity it is that of the namespace's cookie, so that a lost entry leads back to the same one.
 */
inline_always struct backend *sock_choose(struct bpf_sock_addr *ctx, struct sock_call *call, struct service *service,
					   __u64 cookie, __u32 attempt)
{
	__u32 protocol = call->frontend.protocol;
	struct backend *backend;
	__u64 client[2];
	__u32 now;

	if (!(service->flags & SERVICE_AFFINITY)) {
		client[0] = cookie;
		client[1] = 0;
		return backend_choose(service, hash_again(service_hash(client, 0, call->frontend.port, protocol), attempt),
				      &call->choice);
	}
	now = ticks_now();
	affinity_key_of(ctx, call, service->pool);
	backend = affinity_find(service, &call->affinity, now, &call->choice);
	if (backend)
		return backend;
	backend = backend_choose(service, service_hash(call->affinity.client, 0, call->frontend.port, protocol), &call->choice);
	if (backend)
		affinity_store(&call->affinity, &call->choice, now);
	return backend;
}

/* The same; one of the other family cannot be reached by this socket. */
inline_always struct backend *sock_backend(struct bpf_sock_addr *ctx, struct sock_call *call, struct service *service,
					   __u64 cookie, __u32 attempt)
{
	struct backend *backend = sock_choose(ctx, call, service, cookie, attempt);

	return backend && is_mapped(backend->address) == is_mapped(call->address) ? backend : 0;
}

inline_always void peer_fill(struct bpf_sock_addr *ctx, struct sock_call *call, struct service *service,
			     struct backend *backend, int connects)
{
	struct socket_peer *peer = &call->peer;

	words_copy(peer->backend, backend->address);
	words_copy(peer->address, call->address);
	peer->netns = bpf_get_netns_cookie(ctx);
	peer->backend_port = backend->port;
	peer->port = call->frontend.port;
	peer->protocol = call->frontend.protocol;
	peer->others = 0;
	peer->connected = connects;
	peer->reserved = 0;
	peer->service = call->id;
	peer->index = call->choice.index;
	peer->generation = call->choice.generation;
	peer->service_generation = service->generation;
}

/* Whether another service of this socket has the same backend, whose answers could then not be told apart. */
inline_always int peer_conflicts(struct sock_call *call, __u64 cookie)
{
	struct socket_peer *known = peer_find(&call->key, cookie, call->peer.backend, call->peer.backend_port);

	return known && !peer_leads_from(known, call->peer.address, call->peer.port) &&
	       backend_if(known->index, known->generation);
}

/*
 * Whether the socket is connected to this IPv4 address already. For an IPv6 socket that is, the kernel shows each
 * datagram to the program as if the socket had named the address.
 */
inline_always int is_connected_to(struct bpf_sock_addr *ctx, const void *address, __be16 port)
{
	struct bpf_sock *sk = ctx->sk;

	if (!sk || sk->family != AF_INET6 || sk->state != BPF_TCP_ESTABLISHED || sk->dst_port != port)
		return 0;
	return is_mapped(address) && sk->dst_ip6[3] == words((void *)address)[3] &&
	       sk->dst_ip6[2] == bpf_htonl(0x0000ffff);
}

/*
 * Puts the backend that the socket is to reach into call->peer. `connects`: connect(2), with one peer from here on; else
 * a datagram of a socket that may have many.
 */
inline_always int sock_forward(struct bpf_sock_addr *ctx, struct sock_call *call, int connects)
{
	struct socket_peer *main;
	struct backend *backend;
	struct service *service;
	__u64 cookie;
	__u32 attempt;

	if (config_sock_hostns_only && !in_host_netns(ctx))
		return FORWARD_AS_IS;
	service = sock_service(ctx, call);
	cookie = bpf_get_socket_cookie(ctx);
	if (!service) {
		if (connects || !is_connected_to(ctx, call->address, call->frontend.port))
			peer_forget(&call->key, cookie, call->address, call->frontend.port, &call->peer);
		return FORWARD_AS_IS;
	}
	backend = sock_backend(ctx, call, service, cookie, 0);
	if (!backend)
		return FORWARD_NOWHERE;
	peer_fill(ctx, call, service, backend, connects);
	socket_key_main(&call->key, cookie);
	main = bpf_map_lookup_elem(&cilium_sockets, &call->key);
	if (main && peer_same(main, &call->peer))
		return FORWARD_TO_BACKEND;
	if (main && !connects && !(service->flags & SERVICE_AFFINITY)) {
		for (attempt = 1; attempt < PEER_ATTEMPTS && peer_conflicts(call, cookie); attempt++) {
			backend = sock_backend(ctx, call, service, cookie, attempt);
			if (!backend)
				return FORWARD_NOWHERE;
			peer_fill(ctx, call, service, backend, connects);
		}
	}
	peer_remember(&call->key, cookie, main, &call->peer, connects);
	return FORWARD_TO_BACKEND;
}

/* What the socket was told to reach where it now sees this peer; 0: that peer itself. */
inline_always struct socket_peer *sock_reverse(struct bpf_sock_addr *ctx, const void *address, __be16 port)
{
	struct socket_key key;

	return peer_find(&key, bpf_get_socket_cookie(ctx), address, port);
}
