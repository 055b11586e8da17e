// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The two entries of a flow to a service, and how either is kept or made again by the other. See enum flow_flag. */
#pragma once

#include "lib/flow_state.h"
#include "lib/flow_write.h"
#include "lib/packet.h"
#include "lib/translate.h"

/* Index of the backend of either entry. */
inline_always __u32 flow_backend(struct flow *flow)
{
	return flow->state >> FLOW_BACKEND_SHIFT;
}

/* p->partner_flow from an entry that has the same ends the same way round, or the other. */
inline_always void partner_copy(struct packet *p, struct flow *flow, __u32 swapped)
{
	struct flow *partner = &p->partner_flow;
	__u32 state = flow->state & ~(FLOW_FIN_0 | FLOW_FIN_1 | FLOW_HALF);
	__u64 decision = flow->decision;

	if (swapped) {
		partner->decision = (decision & ~REVISIONS_MASK) | (decision & REVISION_MASK) << REVISION_BITS |
				    ((decision >> REVISION_BITS) & REVISION_MASK);
		partner->generation[0] = flow->generation[1];
		partner->generation[1] = flow->generation[0];
		partner->end[0] = flow->end[1];
		partner->end[1] = flow->end[0];
		partner->identity[0] = flow->identity[1];
		partner->identity[1] = flow->identity[0];
		if (flow->state & FLOW_FIN_0)
			state |= FLOW_FIN_1;
		if (flow->state & FLOW_FIN_1)
			state |= FLOW_FIN_0;
	} else {
		partner->decision = decision;
		partner->generation[0] = flow->generation[0];
		partner->generation[1] = flow->generation[1];
		partner->end[0] = flow->end[0];
		partner->end[1] = flow->end[1];
		partner->identity[0] = flow->identity[0];
		partner->identity[1] = flow->identity[1];
		state |= flow->state & (FLOW_FIN_0 | FLOW_FIN_1);
	}
	partner->last_seen = p->now;
	partner->state = (state & ~state_denied(p)) | state_bits(p, p->partner_index);
	partner->began = (flow->began & 1) ^ (swapped & 1);
	partner->reserved = 0;
	partner->flags = flow->flags & (FLOW_LATE | FLOW_HAIRPIN | FLOW_PORT);
	partner->rewrite_id = flow->rewrite_id;
}

/*
 * p->partner: the key that the backend's packets meet, of a packet of the client whose destination is still or again
 * the service, p->rewrite_address and _port being the backend's.
 */
inline_always void reply_key(struct packet *p)
{
	__be16 client_port = p->rewrite & REWRITE_PORT ? p->other_port : p->source_port;
	__u64 tail = (__u64)p->protocol << 32;

	if (p->rewrite & REWRITE_HAIRPIN) {
		loopback_address(p->change.from, p->traits & TRAIT_IPV6);
		p->partner_index = key_store((__u64 *)&p->partner, p->change.from, client_port, p->rewrite_address,
					     p->rewrite_port, tail, ROLE_NONE);
		return;
	}
	p->partner_index = key_store((__u64 *)&p->partner, p->source, client_port, p->rewrite_address,
				     p->rewrite_port, tail, ROLE_NONE);
}

/* p->partner: the key that the client's packets meet, of a packet of the backend. The packet's source stands for the
 * service. */
inline_always void request_key(struct packet *p)
{
	__be16 client_port = p->rewrite & REWRITE_PORT ? p->other_port : p->destination_port;
	__u64 tail = (__u64)p->protocol << 32;

	/* a client that is its own backend is the source here, in its other part */
	if (p->rewrite & REWRITE_HAIRPIN) {
		p->partner_index = key_store((__u64 *)&p->partner, p->rewrite_address, p->rewrite_port, p->source,
					     client_port, tail, ROLE_NONE);
		return;
	}
	p->partner_index = key_store((__u64 *)&p->partner, p->rewrite_address, p->rewrite_port, p->destination,
				     client_port, tail, ROLE_NONE);
}

/* p->partner_flow, an entry for replies, from the entry for requests. */
inline_always void reply_compose(struct packet *p, struct flow *request)
{
	partner_copy(p, request, p->source_index ^ p->partner_index);
	p->partner_flow.flags |= FLOW_REPLY_REWRITE;
	p->partner_flow.backend_generation = 0;
	address_copy(p->partner_flow.rewrite_address, p->destination);
	p->partner_flow.rewrite_port = p->destination_port;
	p->partner_flow.other_port = request->flags & FLOW_PORT ? p->source_port : 0;
}

#define REPLY_WRITTEN 0
#define REPLY_TAKEN 1 /* by another flow */
#define REPLY_AGAIN 2 /* written over that of the same SYN, which has no answer yet */

/* Whether the entry under p->partner is that for replies of the flow that the packet in hand, the client's, is of. */
inline_always int is_reply_of(struct packet *p, struct flow *flow)
{
	return (flow->flags & FLOW_REPLY_REWRITE) && address_equal(flow->rewrite_address, p->destination) &&
	       flow->rewrite_port == p->destination_port &&
	       flow->other_port == (p->rewrite & REWRITE_PORT ? p->source_port : 0);
}

/*
 * The reply's key is taken: by this very flow, by a live flow, or by nothing that stands in the way. What the backend's end
 * began without translation does not: those were replies that found no entry. An entry that is not half has, or had, one
 * for requests beside it, which is then written with it.
 */
__attribute__((noinline)) int reply_meet(void)
{
	struct packet *p = packet_scratch();
	int result = REPLY_WRITTEN;
	struct flow *found;

	if (!p)
		return REPLY_WRITTEN;
	found = bpf_map_lookup_elem(&cilium_flows, &p->partner);
	if (found && !(found->state & FLOW_HALF))
		p->partner_flow.state &= ~(__u32)FLOW_HALF;
	if (found && flow_lives(p, found)) {
		__u32 client = p->partner_index & 1;

		if (is_reply_of(p, found)) {
			if (!(p->traits & TRAIT_INITIAL))
				p->partner_flow.state |= found->state & FLOW_STATES & ~FLOW_HALF;
			p->partner_flow.flags |= found->flags & FLOW_VIA_STACK;
			if (p->partner_flow.state & FLOW_HALF)
				result = REPLY_AGAIN;
		} else if ((found->flags & FLOW_REPLY_REWRITE) || (found->began & 1) == client) {
			return REPLY_TAKEN;
		}
	}
	if ((int)bpf_map_update_elem(&cilium_flows, &p->partner, &p->partner_flow, BPF_ANY) < 0)
		metric_count(DROP_FLOW_INSERT_FAILED, p->direction, 0);
	return result;
}

/* Writes p->partner_flow, for replies. REPLY_..., or < 0. */
inline_always int reply_create(struct packet *p)
{
	int error = (int)bpf_map_update_elem(&cilium_flows, &p->partner, &p->partner_flow, BPF_NOEXIST);

	if (error == -EEXIST)
		return reply_meet();
	/* without it the replies cannot be told apart; the packet that asks must not get through alone */
	return error < 0 ? -DROP_FLOW_INSERT_FAILED : 0;
}

inline_always void partner_touch(struct packet *p, struct flow *partner)
{
	__u32 bits = state_bits(p, p->partner_index), denied = state_denied(p);

	if (partner->last_seen != p->now)
		partner->last_seen = p->now;
	if ((partner->state & bits) != bits)
		__sync_fetch_and_or(&partner->state, bits);
	if (partner->state & denied)
		__sync_fetch_and_and(&partner->state, ~denied);
}

/* The client goes on, so its hold on the backend does. */
inline_always void affinity_renew(struct packet *p, struct flow *flow)
{
	struct service *service = service_get(flow->rewrite_id);

	if (!service || !(service->flags & SERVICE_AFFINITY))
		return;
	affinity_key_fill(&p->affinity_key, p->source, service->pool);
	affinity_find(service, &p->affinity_key, p->now, &p->choice);
}

inline_always void partner_of_request(struct packet *p, struct flow *flow)
{
	struct flow *partner;

	reply_key(p);
	partner = bpf_map_lookup_elem(&cilium_flows, &p->partner);
	if (partner && is_reply_of(p, partner)) {
		partner_touch(p, partner);
	} else {
		reply_compose(p, flow);
		reply_create(p);
	}
	affinity_renew(p, flow);
}

/*
 * The generation of a reply's backend; 0 where its place was given to another since. What is at the same address is the same
 * to a flow.
 */
inline_always __u32 reply_generation(struct packet *p, __u32 index)
{
	struct backend *backend = bpf_map_lookup_elem(&cilium_backends, &index);
	__u32 generation;

	if (!backend)
		return 0;
	generation = *(volatile __u32 *)&backend->generation;
	if (backend->port != p->source_port || backend->protocol != p->protocol || !address_equal(backend->address, p->source))
		return 0;
	return generation;
}

/* The port of the client that the backend sees, where it is not the client's own; of a packet of the backend. */
inline_always __be16 seen_port(struct packet *p, struct flow *reply)
{
	return reply->flags & FLOW_PORT ? p->destination_port : 0;
}

/* Writes p->partner, an entry for requests, from the entry for replies. */
inline_always int request_write(struct packet *p, struct flow *reply, __u32 generation, __u64 how)
{
	partner_copy(p, reply, p->source_index ^ p->partner_index);
	p->partner_flow.flags |= FLOW_SERVICE;
	p->partner_flow.backend_generation = generation;
	__builtin_memset(p->partner_flow.rewrite_address, 0, ADDRESS_SIZE);
	p->partner_flow.rewrite_port = 0;
	p->partner_flow.other_port = seen_port(p, reply);
	return (int)bpf_map_update_elem(&cilium_flows, &p->partner, &p->partner_flow, how);
}

/* Ticks by which one CPU's packet may be younger than a later one of another's. */
#define TICKS_APART 1

/*
 * Whether the client's packets go to another backend than the one that now answers its SYN for the first time: to one that
 * answered before (the SYN was sent again, and the service had changed), but not to that of an older connection on the same
 * port, in which nothing has moved since the SYN. `asked` is when that was.
 */
inline_always int request_stays(struct flow *request, __u32 asked)
{
	return (__s32)(asked - request->last_seen) <= TICKS_APART &&
	       backend_if(flow_backend(request), request->backend_generation) != 0;
}

/* The same where the client's entry is there already, or may not be made. */
inline_always int answer_meet(struct packet *p, struct flow *reply, __u32 generation)
{
	struct flow *request = bpf_map_lookup_elem(&cilium_flows, &p->partner);

	if (request && (request->flags & FLOW_SERVICE) && flow_lives(p, request)) {
		if (flow_backend(request) == flow_backend(reply) && request->backend_generation == generation &&
		    request->other_port == seen_port(p, reply)) {
			partner_touch(p, request);
			__sync_fetch_and_and(&reply->state, ~(__u32)FLOW_HALF);
			return 0;
		}
		if (request_stays(request, reply->last_seen))
			return -DROP_NAT_NO_MAPPING;
	}
	if (p->tcp_flags & TCP_RST)
		return 0; /* refused: nothing will follow */
	if (!generation)
		return -DROP_NAT_NO_MAPPING; /* the SYN comes again, and is led to another */
	if (request_write(p, reply, generation, BPF_ANY) < 0)
		return -DROP_FLOW_INSERT_FAILED;
	__sync_fetch_and_and(&reply->state, ~(__u32)FLOW_HALF);
	return 0;
}

/*
 * The first answer to a SYN: from here on the client has an entry for its packets. 0, or < 0: this backend is not the one
 * that the client talks to, or can no longer be; the answer would mislead it.
 */
inline_always int answer_first(struct packet *p, struct flow *reply, __u32 generation)
{
	int error = -EEXIST;

	/* mostly there is none, so it does not pay to ask */
	if (generation && !(p->tcp_flags & TCP_RST))
		error = request_write(p, reply, generation, BPF_NOEXIST);
	if (error == -EEXIST)
		return answer_meet(p, reply, generation);
	/* without it the client's next packet could be led to another; the answer comes again */
	if (error < 0)
		return -DROP_FLOW_INSERT_FAILED;
	__sync_fetch_and_and(&reply->state, ~(__u32)FLOW_HALF);
	return 0;
}

inline_always int partner_of_reply(struct packet *p, struct flow *flow)
{
	__u32 index = flow_backend(flow);
	struct flow *partner;
	__u32 generation;

	request_key(p);
	if (flow->state & FLOW_HALF)
		return answer_first(p, flow, reply_generation(p, index));
	partner = bpf_map_lookup_elem(&cilium_flows, &p->partner);
	if (partner) {
		if ((partner->flags & FLOW_SERVICE) && flow_backend(partner) == index &&
		    partner->other_port == seen_port(p, flow))
			partner_touch(p, partner);
		return 0;
	}
	generation = reply_generation(p, index);
	if (generation)
		request_write(p, flow, generation, BPF_NOEXIST);
	return 0;
}

/*
 * Once a tick, and where TCP moves on: what this packet does to its entry, before it does, happens to the other one too,
 * which is made again if it was evicted, or made at all by the first answer. 0, or < 0.
 */
__attribute__((noinline)) int partner_keep(void)
{
	struct packet *p = packet_scratch();
	struct flow *flow;

	if (!p)
		return 0;
	flow = bpf_map_lookup_elem(&cilium_flows, &p->key);
	if (!flow)
		return 0;
	if ((p->rewrite & REWRITE_SOURCE) && (flow->flags & FLOW_REPLY_REWRITE))
		return partner_of_reply(p, flow);
	if ((p->rewrite & REWRITE_DESTINATION) && (flow->flags & FLOW_SERVICE))
		partner_of_request(p, flow);
	return 0;
}

/*
 * On a hit, what is to be rewritten. 0; 1: the backend has ended, another is to be found; < 0: the packet claims to come
 * from the service's address, whose replies come from backends.
 */
inline_always int flow_rewrite(struct packet *p, struct flow *flow, __u32 forward, const __u32 to_container)
{
	if (p->flow_flags & FLOW_SERVICE) {
		struct backend *backend;

		if (unlikely(!forward || to_container))
			return -DROP_UNKNOWN_FLOW;
		backend = backend_if(flow_backend(flow), flow->backend_generation);
		if (unlikely(!backend))
			return 1;
		address_copy(p->rewrite_address, backend->address);
		p->rewrite_port = backend->port;
		p->rewrite = REWRITE_DESTINATION;
	} else if (!forward) {
		address_copy(p->rewrite_address, flow->rewrite_address);
		p->rewrite_port = flow->rewrite_port;
		p->rewrite = REWRITE_SOURCE;
	} else {
		return 0;
	}
	if (unlikely(p->flow_flags & (FLOW_HAIRPIN | FLOW_PORT))) {
		if (p->flow_flags & FLOW_HAIRPIN)
			p->rewrite |= REWRITE_HAIRPIN;
		if (p->flow_flags & FLOW_PORT)
			p->rewrite |= REWRITE_PORT;
		p->other_port = flow->other_port;
	}
	return 0;
}
