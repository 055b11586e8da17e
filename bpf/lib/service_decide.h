// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The slow path of packets to a service: which service, which backend, what policy says of the client and that backend,
 * and the flow's two entries. While it runs, the backend stands in the packet's place for the destination, so that
 * decisions and events are about it.
 */
#pragma once

#include "lib/judge.h"
#include "lib/packet.h"
#include "lib/parties.h"
#include "lib/ports.h"
#include "lib/report.h"
#include "lib/select.h"
#include "lib/service_flow.h"

/* Backends that are tried where one already has the client's flow by another way. */
#define MAX_ATTEMPTS 4
/* Ports that are tried for a client whose own is taken towards this backend. */
#define CLIENT_PORT_TRIES 16

inline_always int is_service_protocol(__u32 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

/* Whether this packet without valid entry may be to a service. The only cost of services to flows without one. */
inline_always int service_possible(struct packet *p)
{
	if (p->found == FOUND_STALE && (p->flow_flags & FLOW_SERVICE))
		return 1;
	return vip_possible(p->destination);
}

inline_always int backend_take(struct packet *p, struct backend *backend)
{
	address_copy(p->destination, backend->address);
	p->destination_port = backend->port;
	/* its checksum is over the ports too, and costs a pass over the whole packet */
	if (p->protocol == IPPROTO_SCTP && backend->port != p->frontend_port)
		return -DROP_L4_CHECKSUM;
	return 1;
}

/* 0: no service has this address and port; 1: p->destination is the backend's; < 0. */
__attribute__((noinline)) int service_select(__u32 attempt)
{
	struct packet *p = packet_scratch();
	struct service *service = 0;
	struct backend *backend = 0;
	__u32 id, flags;
	__be16 port;

	if (!p)
		return -DROP_INTERNAL;
	p->other_port = 0;
	frontend_key_fill(&p->frontend_key, p->frontend, p->frontend_port, p->protocol);
	id = service_find_inside(&p->frontend_key, &service);
	if (!id && is_node_address(p->frontend)) {
		frontend_key_any_address(&p->frontend_key, p->traits & TRAIT_IPV6);
		id = service_find_inside(&p->frontend_key, &service);
	}
	if (!id || !service)
		return 0;
	p->service = id;
	flags = service->flags;
	if (config_source_range_all_types && (flags & SERVICE_SOURCE_RANGE) &&
	    !source_accepted(&p->source_range_key, id, flags, p->source))
		return -DROP_NOT_IN_SRC_RANGE;
	port = p->source_port;
	if (flags & SERVICE_AFFINITY) {
		port = 0;
		affinity_key_fill(&p->affinity_key, p->source, service->pool);
		if (!attempt)
			backend = affinity_find(service, &p->affinity_key, p->now, &p->choice);
	}
	if (!backend) {
		__u32 hash = service_hash(p->source, port, p->frontend_port, p->protocol);

		backend = backend_choose(service, hash_again(hash, attempt), &p->choice);
		if (!backend)
			return -DROP_NO_SERVICE;
		if ((flags & SERVICE_AFFINITY) && !attempt)
			affinity_store(&p->affinity_key, &p->choice, p->now);
	}
	return backend_take(p, backend);
}

/* The backend that the flow's entry has, if that still is one: 1, or 0. */
inline_always int service_keep(struct packet *p, struct flow *found)
{
	struct backend *backend;

	p->choice.index = flow_backend(found);
	p->choice.generation = found->backend_generation;
	p->service = found->rewrite_id;
	p->other_port = found->other_port;
	backend = backend_if(p->choice.index, p->choice.generation);
	return backend ? backend_take(p, backend) : 0;
}

/* Policy on client and backend, and p->flow as this decision would have it. `state` is that of the entry there is. */
__attribute__((noinline)) int service_judge(struct __sk_buff *ctx, __u32 state)
{
	struct packet *p = packet_scratch();
	struct cell_half *own, *peer = 0;
	int result;

	if (!p)
		return -DROP_INTERNAL;
	own = cell_get(p->slot, p->parity);
	if (!own)
		return -DROP_INTERNAL;
	p->flow_flags = FLOW_SERVICE;
	p->rewrite = REWRITE_DESTINATION;
	if (p->other_port) {
		p->flow_flags |= FLOW_PORT;
		p->rewrite |= REWRITE_PORT;
	}
	/* an endpoint may always talk to itself */
	if (address_equal(p->destination, p->source)) {
		p->flow_flags |= FLOW_HAIRPIN;
		p->rewrite |= REWRITE_HAIRPIN;
	}
	result = parties_resolve(ctx, p, own, 1, 0, &peer);
	if (result < 0)
		return result;
	if (p->flow_flags & FLOW_HAIRPIN)
		result = own->flags & CELL_LOCKED_DOWN ? -DROP_NO_POLICY : 0;
	else
		result = policy_judge(p, own, peer, 0);
	if (result < 0)
		return result;
	flow_compose(p, own, peer, p->source_index & 1, state);
	p->flow.state |= p->choice.index << FLOW_BACKEND_SHIFT;
	p->flow.backend_generation = p->choice.generation;
	p->flow.rewrite_id = p->service;
	p->flow.other_port = p->other_port;
	return 0;
}

/* The packet as it came, and what is to be made of it. */
inline_always void service_done(struct packet *p)
{
	address_copy(p->rewrite_address, p->destination);
	p->rewrite_port = p->destination_port;
	address_copy(p->destination, p->frontend);
	p->destination_port = p->frontend_port;
}

#define FORWARD_DONE 0
#define FORWARD_NEW 1
#define FORWARD_KEEP 2 /* the entry there is has another backend, or port towards it, which it keeps */

/* A SYN sent again goes where the first one went, if that was answered (FLOW_HALF: see service_write). */
__attribute__((noinline)) int forward_meet(void)
{
	struct packet *p = packet_scratch();
	struct flow *found;

	if (!p)
		return FORWARD_DONE;
	found = bpf_map_lookup_elem(&cilium_flows, &p->key);
	if (found && (found->flags & FLOW_SERVICE) && flow_lives(p, found)) {
		if (flow_backend(found) == p->choice.index && found->backend_generation == p->choice.generation &&
		    found->other_port == p->flow.other_port) {
			p->flow.state |= found->state;
			flow_renew(p, found, *(volatile __u64 *)&found->decision);
			return FORWARD_DONE;
		}
		if (!(found->state & FLOW_CONFIRMED) && backend_if(flow_backend(found), found->backend_generation))
			return FORWARD_KEEP;
	}
	if (flow_write(p, BPF_ANY) < 0)
		metric_count(DROP_FLOW_INSERT_FAILED, p->direction, 0);
	return FORWARD_NEW;
}

inline_always int forward_create(struct packet *p, __u64 how)
{
	int error = flow_write(p, how);

	if (error == -EEXIST)
		return forward_meet();
	if (error < 0)
		metric_count(DROP_FLOW_INSERT_FAILED, p->direction, 0);
	return FORWARD_NEW;
}

/* The entry for replies, where there is room for it: see service_write. REPLY_..., or < 0. */
inline_always int reply_write(struct packet *p, __u64 how)
{
	reply_key(p);
	reply_compose(p, &p->flow);
	if (is_syn(p) && !(p->traits & TRAIT_FRAGMENT) && how == BPF_NOEXIST)
		p->partner_flow.state |= FLOW_HALF;
	return reply_create(p);
}

struct port_search {
	__u64 how;
	__u32 hash;
	int result;
};

/* A step of the search: 1 ends it. */
static long port_search_step(__u32 try, struct port_search *search)
{
	struct packet *p = packet_scratch();

	if (!p)
		return 1;
	p->other_port = port_like(hash_again(search->hash, try), p->source_port);
	p->flow.other_port = p->other_port;
	search->result = reply_write(p, search->how);
	return search->result != REPLY_TAKEN;
}

/*
 * The client has a live flow to this backend from the same port, by another service or directly: the backend gets to see
 * another port, the same whenever this packet is decided. Not with SCTP, for the sake of its checksum.
 */
__attribute__((noinline)) int reply_write_elsewhere(__u64 how)
{
	struct port_search search = { .how = how, .result = REPLY_TAKEN };
	struct packet *p = packet_scratch();

	if (!p || p->protocol == IPPROTO_SCTP)
		return REPLY_TAKEN;
	search.hash = service_hash(p->source, p->source_port, p->frontend_port ^ p->service, p->protocol);
	p->rewrite |= REWRITE_PORT;
	p->flow_flags |= FLOW_PORT;
	p->flow.flags |= FLOW_PORT;
	bpf_loop(CLIENT_PORT_TRIES, port_search_step, &search, 0);
	return search.result;
}

/*
 * Both entries, or that for replies only: of a SYN on ends that had no flow behind this service (see flows.h). As it does
 * not say where it went before, a SYN sent again without answer may go elsewhere where the service has changed meanwhile;
 * who answers first is the backend. 0, < 0, or 1: another backend has to be tried. p->destination is the service here.
 */
inline_always int service_write(struct __sk_buff *ctx, struct packet *p, __u64 how)
{
	int result;

	result = reply_write(p, how);
	if (result == REPLY_TAKEN)
		result = reply_write_elsewhere(how);
	if (result < 0 || result == REPLY_TAKEN)
		return result;
	if (p->partner_flow.state & FLOW_HALF)
		result = result == REPLY_AGAIN ? FORWARD_DONE : FORWARD_NEW;
	else
		result = forward_create(p, how);
	if (result == FORWARD_KEEP) {
		bpf_map_delete_elem(&cilium_flows, &p->partner);
		p->found = FOUND_STALE;
		return 1;
	}
	if (result == FORWARD_NEW) {
		address_copy(p->destination, p->rewrite_address);
		p->destination_port = p->rewrite_port;
		flow_report(ctx, p, 0);
		service_done(p);
	}
	return 0;
}

/* One try: 0: decided; 1: another backend has to be tried; 2: not a service; < 0. */
__attribute__((noinline)) int service_attempt(struct __sk_buff *ctx, __u32 attempt)
{
	struct packet *p = packet_scratch();
	struct flow *found = 0;
	__u32 state = 0;
	__u64 old = 0;
	int result = 0;

	if (!p)
		return -DROP_INTERNAL;
	if (p->found == FOUND_STALE)
		found = bpf_map_lookup_elem(&cilium_flows, &p->key);
	if (found && !(found->flags & FLOW_SERVICE))
		found = 0;
	if (!found && (p->traits & TRAIT_RELATED))
		return 2;
	if (found) {
		old = *(volatile __u64 *)&found->decision;
		result = service_keep(p, found);
		if (result < 0)
			return result;
		if (result)
			state = found->state;
		else if (p->traits & TRAIT_RELATED)
			return -DROP_UNKNOWN_FLOW;
		else
			found = 0;
	}
	if (!result) {
		result = service_select(attempt);
		if (result <= 0)
			return result ? result : 2;
		/* the backend has the service's own address and port: nothing to translate, and one key for both entries */
		if (p->destination_port == p->frontend_port && address_equal(p->destination, p->frontend))
			return 2;
	}
	result = service_judge(ctx, state);
	if (result < 0)
		return result;
	service_done(p);
	if (p->traits & TRAIT_RELATED)
		return 0;
	if (found) {
		flow_renew(p, found, old);
		return 0;
	}
	if (p->traits & TRAIT_NO_FLOW)
		return 0;
	return service_write(ctx, p, p->found == FOUND_NONE ? BPF_NOEXIST : BPF_ANY);
}

/* 0: decided, p->rewrite says how it goes on; 1: not a service's; < 0: dropped. */
__attribute__((noinline)) int service_decide(struct __sk_buff *ctx)
{
	struct packet *p = packet_scratch();
	__u32 attempt;
	int result = 1;

	if (!p)
		return -DROP_INTERNAL;
	if (!is_service_protocol(p->protocol))
		return 1;
	address_copy(p->frontend, p->destination);
	p->frontend_port = p->destination_port;
	for (attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
		result = service_attempt(ctx, attempt);
		if (result != 1)
			break;
	}
	if (result == 1)
		return -DROP_NAT_NO_MAPPING;
	if (result == 2)
		p->rewrite = REWRITE_NONE;
	return result == 2 ? 1 : result;
}
