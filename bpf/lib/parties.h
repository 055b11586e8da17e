// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Who the two ends of a packet are. */
#pragma once

#include "lib/packet.h"
#include "lib/resolve.h"

/* Fills both parties, and the policies of those that are local, as of the epoch read at the start. */
inline_always int parties_resolve(struct __sk_buff *ctx, struct packet *p, struct cell_half *own, __u32 forward,
				  const __u32 to_container, struct cell_half **peer)
{
	struct node_state *node = node_get();
	__u32 bucket;
	int result;

	if (!node)
		return -DROP_INTERNAL;
	bucket = address_bucket(to_container ? p->source : p->destination);
	p->peer_generation = bucket_generation(node, bucket);
	full_barrier(p);
	p->event_flags = 0;
	p->traits |= TRAIT_RESOLVED;
	if (to_container) {
		__u32 how = RESOLVE_SOURCE | (p->traits & TRAIT_RELATED ? RESOLVE_QUOTED : forward ? RESOLVE_BEGAN : 0);

		*(__u64 *)&p->party[SOURCE] = 0;
		party_local(&p->party[DESTINATION], p->slot, own);
		result = resolve_remote(ctx, p, &p->party[SOURCE], p->source, p->destination, bucket, how, peer);
		p->peer_end = p->party[SOURCE].end;
	} else {
		*(__u64 *)&p->party[DESTINATION] = 0;
		party_local(&p->party[SOURCE], p->slot, own);
		result = resolve_remote(ctx, p, &p->party[DESTINATION], p->destination, p->source, bucket, 0, peer);
		p->peer_end = p->party[DESTINATION].end;
	}
	return result;
}
