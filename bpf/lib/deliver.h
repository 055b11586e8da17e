// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Where an allowed packet goes. */
#pragma once

#include "lib/endpoints.h"
#include "lib/hop.h"
#include "lib/packet.h"
#include "lib/translate.h"

/*
 * To an endpoint of this node: routed here and put into its namespace, unless the stack has something to say on the way
 * (time exceeded, packet too big, IPv4 options); then 0. To itself a packet passes no router, and the stack would not
 * know the loopback address.
 */
inline_always int deliver_local(struct __sk_buff *ctx, struct packet *p, __u32 slot)
{
	struct endpoint_info *endpoint = bpf_map_lookup_elem(&cilium_endpoints, &slot);
	__u32 *header;
	int result;

	if (unlikely(!endpoint))
		return -DROP_NO_LOCAL_ENDPOINT;
	if (unlikely((p->hop_limit <= 1 || (p->traits & TRAIT_OPTIONS) || exceeds_mtu(ctx, p, endpoint->mtu)) &&
		     !(p->rewrite & REWRITE_HAIRPIN)))
		return 0;
	if (p->rewrite)
		result = translate(ctx, p, 1);
	else
		result = p->traits & TRAIT_IPV6 ? ipv6_hop(ctx) : ipv4_hop(ctx);
	if (unlikely(result < 0))
		return result;
	header = packet_data(ctx);
	if (unlikely((void *)header + ETHERNET_SIZE > packet_end(ctx)))
		return -DROP_WRITE_ERROR;
	/* both MACs at once: they lie in the endpoint's entry as in the header */
	header[0] = ((__u32 *)endpoint->mac)[0];
	header[1] = ((__u32 *)endpoint->mac)[1];
	header[2] = ((__u32 *)endpoint->mac)[2];
	ctx->mark = 0; /* nothing the sender's side wrote may mean something on the receiver's */
	return FINAL(bpf_redirect_peer(endpoint->ifindex, 0));
}

/*
 * FINAL, or < 0. What is not for an endpoint here, or came by the stack, goes to the stack: requests to a service with
 * the backend's address, replies as the backend sent them, for the stack has to see both ends as they are on both ways;
 * they get the service's address where they come out of it.
 */
inline_always int deliver_from_container(struct __sk_buff *ctx, struct packet *p)
{
	if (!(p->peer_end & FLOW_REMOTE) && !(p->flow_flags & FLOW_VIA_STACK)) {
		int result = deliver_local(ctx, p, p->peer_end - 1);

		if (likely(result))
			return result;
	}
	if (p->rewrite & REWRITE_DESTINATION) {
		int result = translate(ctx, p, 0);

		if (unlikely(result < 0))
			return result;
	}
	return FINAL(TC_ACT_OK);
}
