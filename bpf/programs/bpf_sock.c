// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The programs of a cgroup's sockets: a service's address is replaced by a backend's where the socket connects or sends,
 * once and for all, so that no packet needs it; what the socket receives or is asked about claims to be the service
 * again. User addresses of datagrams that carry none (connected sockets) never pass here.
 */
#include "lib/common.h"

#include <linux/in.h>

#include "lib/sock_bind.h"
#include "lib/sock_peers.h"
#include "lib/sock_translate.h"

inline_always int has_services(struct bpf_sock_addr *ctx)
{
	return ctx->protocol == IPPROTO_TCP || ctx->protocol == IPPROTO_UDP;
}

inline_always void address4_read(struct bpf_sock_addr *ctx, void *address)
{
	words(address)[0] = 0;
	words(address)[1] = 0;
	words(address)[2] = bpf_htonl(0x0000ffff);
	words(address)[3] = ctx->user_ip4;
}

inline_always void address6_read(struct bpf_sock_addr *ctx, void *address)
{
	words(address)[0] = ctx->user_ip6[0];
	words(address)[1] = ctx->user_ip6[1];
	words(address)[2] = ctx->user_ip6[2];
	words(address)[3] = ctx->user_ip6[3];
}

inline_always void address4_write(struct bpf_sock_addr *ctx, void *address, __be16 port)
{
	ctx->user_ip4 = words(address)[3];
	ctx->user_port = port;
}

inline_always void address6_write(struct bpf_sock_addr *ctx, void *address, __be16 port)
{
	ctx->user_ip6[0] = words(address)[0];
	ctx->user_ip6[1] = words(address)[1];
	ctx->user_ip6[2] = words(address)[2];
	ctx->user_ip6[3] = words(address)[3];
	ctx->user_port = port;
}

inline_always int forward4(struct bpf_sock_addr *ctx, int connects)
{
	struct sock_call call;
	int result;

	if (!config_enable_ipv4 || !has_services(ctx))
		return SOCK_ACCEPT;
	address4_read(ctx, call.address);
	frontend_key_fill(&call.frontend, call.address, ctx->user_port, ctx->protocol);
	result = sock_forward(ctx, &call, connects);
	if (result == FORWARD_TO_BACKEND)
		address4_write(ctx, call.peer.backend, call.peer.backend_port);
	if (result >= 0)
		return SOCK_ACCEPT;
	bpf_set_retval(result);
	return SOCK_REFUSE;
}

inline_always int forward6(struct bpf_sock_addr *ctx, int connects)
{
	struct sock_call call;
	int result;

	if (!has_services(ctx))
		return SOCK_ACCEPT;
	address6_read(ctx, call.address);
	if (is_mapped(call.address) ? !config_enable_ipv4 : !config_enable_ipv6)
		return SOCK_ACCEPT;
	frontend_key_fill(&call.frontend, call.address, ctx->user_port, ctx->protocol);
	result = sock_forward(ctx, &call, connects);
	if (result == FORWARD_TO_BACKEND)
		address6_write(ctx, call.peer.backend, call.peer.backend_port);
	if (result >= 0)
		return SOCK_ACCEPT;
	bpf_set_retval(result);
	return SOCK_REFUSE;
}

inline_always int reverse4(struct bpf_sock_addr *ctx)
{
	struct socket_peer *peer;
	__u8 address[ADDRESS_SIZE] __attribute__((aligned(8)));

	if (!has_services(ctx))
		return SOCK_ACCEPT;
	address4_read(ctx, address);
	peer = sock_reverse(ctx, address, ctx->user_port);
	if (peer)
		address4_write(ctx, peer->address, peer->port);
	return SOCK_ACCEPT;
}

inline_always int reverse6(struct bpf_sock_addr *ctx)
{
	struct socket_peer *peer;
	__u8 address[ADDRESS_SIZE] __attribute__((aligned(8)));

	if (!has_services(ctx))
		return SOCK_ACCEPT;
	address6_read(ctx, address);
	peer = sock_reverse(ctx, address, ctx->user_port);
	if (peer)
		address6_write(ctx, peer->address, peer->port);
	return SOCK_ACCEPT;
}

SEC("cgroup/connect4")
int cil_sock4_connect(struct bpf_sock_addr *ctx)
{
	return forward4(ctx, 1);
}

SEC("cgroup/connect6")
int cil_sock6_connect(struct bpf_sock_addr *ctx)
{
	return forward6(ctx, 1);
}

SEC("cgroup/sendmsg4")
int cil_sock4_sendmsg(struct bpf_sock_addr *ctx)
{
	return forward4(ctx, 0);
}

SEC("cgroup/sendmsg6")
int cil_sock6_sendmsg(struct bpf_sock_addr *ctx)
{
	return forward6(ctx, 0);
}

SEC("cgroup/recvmsg4")
int cil_sock4_recvmsg(struct bpf_sock_addr *ctx)
{
	return reverse4(ctx);
}

SEC("cgroup/recvmsg6")
int cil_sock6_recvmsg(struct bpf_sock_addr *ctx)
{
	return reverse6(ctx);
}

SEC("cgroup/getpeername4")
int cil_sock4_getpeername(struct bpf_sock_addr *ctx)
{
	return reverse4(ctx);
}

SEC("cgroup/getpeername6")
int cil_sock6_getpeername(struct bpf_sock_addr *ctx)
{
	return reverse6(ctx);
}

SEC("cgroup/post_bind4")
int cil_sock4_post_bind(struct bpf_sock *ctx)
{
	__u32 address[4] __attribute__((aligned(8))) = { 0, 0, bpf_htonl(0x0000ffff), 0 };
	struct frontend_key key __attribute__((aligned(8)));

	if (!bind_protects(ctx))
		return SOCK_ACCEPT;
	address[3] = ctx->src_ip4;
	frontend_key_fill(&key, address, bpf_htons(ctx->src_port), ctx->protocol);
	return bind_protect(&key);
}

SEC("cgroup/post_bind6")
int cil_sock6_post_bind(struct bpf_sock *ctx)
{
	__u32 address[4] __attribute__((aligned(8)));
	struct frontend_key key __attribute__((aligned(8)));

	if (!bind_protects(ctx))
		return SOCK_ACCEPT;
	address[0] = ctx->src_ip6[0];
	address[1] = ctx->src_ip6[1];
	address[2] = ctx->src_ip6[2];
	address[3] = ctx->src_ip6[3];
	frontend_key_fill(&key, address, bpf_htons(ctx->src_port), ctx->protocol);
	return bind_protect(&key);
}

/* A socket that is closed leaves its main entry to others. */
SEC("cgroup/sock_release")
int cil_sock_release(struct bpf_sock *ctx)
{
	struct socket_key key;

	if (ctx->protocol != IPPROTO_TCP && ctx->protocol != IPPROTO_UDP)
		return SOCK_ACCEPT;
	socket_key_main(&key, bpf_get_socket_cookie(ctx));
	if (bpf_map_lookup_elem(&cilium_sockets, &key))
		bpf_map_delete_elem(&cilium_sockets, &key);
	return SOCK_ACCEPT;
}

char program_license[] SEC("license") = "Dual BSD/GPL";
