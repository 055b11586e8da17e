// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Ports of the node that services have taken: a socket of the node bound to one would never hear a client. */
#pragma once

#include "lib/sock_translate.h"

#define SERVICE_PORTS_OF_NODE (SERVICE_NODE_PORT | SERVICE_EXTERNAL_IP | SERVICE_LOAD_BALANCER)

inline_always int frontend_taken(struct frontend_key *key)
{
	struct service *service = 0;

	return vip_possible(key->address) && service_find_outside(key, &service) &&
	       (service->flags & SERVICE_PORTS_OF_NODE);
}

/* Whether a service has this address and port of the node. A socket of all addresses has that of "any address" itself. */
inline_always int port_taken(struct frontend_key *key)
{
	int ipv6 = !is_mapped(key->address);

	if (frontend_taken(key))
		return 1;
	if (words(key->address)[3] || (ipv6 && (halves(key->address)[0] || words(key->address)[2]))) {
		frontend_key_any_address(key, ipv6);
		return frontend_taken(key);
	}
	if (!ipv6)
		return 0;
	/* a socket of all IPv6 addresses takes IPv4 as well, unless IPV6_V6ONLY, which programs cannot see */
	frontend_key_any_address(key, 0);
	return frontend_taken(key);
}

inline_always int bind_protect(struct frontend_key *key)
{
	if (!port_taken(key))
		return SOCK_ACCEPT;
	bpf_set_retval(-EADDRINUSE);
	return SOCK_REFUSE;
}

/* src_port is in host order, other than all ports of programs' contexts. */
inline_always int bind_protects(struct bpf_sock *ctx)
{
	if (!config_node_port_bind_protection || !ctx->src_port)
		return 0;
	return (ctx->protocol == IPPROTO_TCP || ctx->protocol == IPPROTO_UDP) && in_host_netns(ctx);
}
