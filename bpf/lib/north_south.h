// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Services as clients outside see them: NodePorts, external addresses, load balancers' addresses, host ports. */
#pragma once

#include "lib/dsr.h"
#include "lib/icmp_answer.h"
#include "lib/nat_create.h"
#include "lib/nat_packet.h"
#include "lib/nat_route.h"
#include "lib/node_devices.h"
#include "lib/select.h"

/* How many backends are tried where an answer of the first could not be told from another connection's. */
#define BACKEND_TRIES 4

struct north_south {
	struct frontend_key frontend;
	__u32 service;
	struct affinity_key affinity;
	struct choice choice;
	struct source_range_key range;
	__u32 remembered; /* the backend is the one this client had */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct north_south);
} north_south_state SEC(".maps");

inline_always struct north_south *north_south_scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&north_south_state, &zero);
}

/* The frontend a packet is for: its id, 0 for none, or < 0 for another port of a service's address. */
inline_always int frontend_find(struct packet *p, struct north_south *n, struct service **service)
{
	int id;

	frontend_key_fill(&n->frontend, p->destination, p->destination_port, p->protocol);
	id = service_find_outside(&n->frontend, service);
	if (id)
		return id;
	/* asked for last whether the address is the node's: of most ports no frontend is found at all */
	frontend_key_any_address(&n->frontend, p->traits & TRAIT_IPV6);
	id = service_find_outside(&n->frontend, service);
	if (id && is_node_address(p->destination))
		return id;
	frontend_key_fill(&n->frontend, p->destination, 0, 0);
	return frontend_lookup(&n->frontend) == SERVICE_WILDCARD ? -DROP_NO_SERVICE : 0;
}

/* How the packet reaches this backend, into work->entry, and the connection into the table. 0 or a drop reason. */
inline_always int backend_take(struct __sk_buff *ctx, struct packet *p, struct nat_work *work, struct north_south *n,
			       struct service *service, struct backend *backend)
{
	struct nat_entry *entry = &work->entry;
	struct nat_route *route;
	struct address_ref *ref;
	int result;

	address_copy(entry->source, p->source);
	address_copy(entry->destination, backend->address);
	entry->source_port = p->source_port;
	entry->destination_port = backend->port;
	entry->service = n->service;
	entry->flags = NAT_SERVICE;
	entry->backend = n->choice.index;
	entry->generation = n->choice.generation;
	/* what was read is the backend that was chosen, if it still is */
	asm volatile("" : : : "memory");
	if (!backend_if(n->choice.index, n->choice.generation))
		return -DROP_NO_SERVICE;
	if (p->protocol == IPPROTO_SCTP && entry->destination_port != p->destination_port)
		return -DROP_L4_CHECKSUM;
	ref = bpf_map_lookup_elem(&cilium_addresses, entry->destination);
	if (ref && (ref->ref & ADDRESS_LOCAL))
		return nat_create(ctx);
	if (ref && is_node_address(entry->destination)) {
		/* a process of this node: its answers are looked at for the sake of their port */
		nat_port_mark(entry->destination_port);
		return nat_create(ctx);
	}
	entry->flags |= NAT_LEAVES;
	if (service->flags & SERVICE_DSR) {
		entry->flags |= config_dsr_ipip ? NAT_DSR | NAT_ALONE | NAT_IPIP : NAT_DSR | NAT_ALONE;
		return nat_create(ctx);
	}
	/* which way it leaves decides which of the node's addresses it gets */
	result = route_find(ctx, 0);
	if (result < 0)
		return result;
	route = route_scratch();
	if (!route)
		return -DROP_INTERNAL;
	if (!node_device_address(route->ifindex, p->traits & TRAIT_IPV6, entry->source) &&
	    !node_device_address(ctx->ifindex, p->traits & TRAIT_IPV6, entry->source))
		return -DROP_NAT_NO_MAPPING;
	entry->flags |= NAT_ALLOCATED;
	return nat_create(ctx);
}

inline_always struct backend *backend_select(struct packet *p, struct north_south *n, struct service *service,
					     __u32 hash, __u32 attempt)
{
	struct backend *backend;

	n->remembered = 0;
	if (!attempt && (service->flags & SERVICE_AFFINITY)) {
		backend = affinity_find(service, &n->affinity, p->now, &n->choice);
		n->remembered = backend != 0;
		if (backend)
			return backend;
	}
	return backend_choose(service, attempt ? hash_again(hash, attempt) : hash, &n->choice);
}

/*
 * A packet from outside that no entry knows: 0: it is for no service; 1: work->entry says what becomes of it and of its
 * connection; < 0.
 */
__attribute__((noinline)) int outside_service(struct __sk_buff *ctx)
{
	struct packet *p = packet_scratch();
	struct nat_work *work = nat_scratch();
	struct north_south *n = north_south_scratch();
	struct service *service = 0;
	struct backend *backend;
	__u32 hash, attempt;
	int result;

	if (!p || !work || !n)
		return -DROP_INTERNAL;
	if ((p->protocol != IPPROTO_TCP && p->protocol != IPPROTO_UDP && p->protocol != IPPROTO_SCTP) ||
	    (p->traits & TRAIT_LATER_FRAGMENT)) {
		frontend_key_fill(&n->frontend, p->destination, 0, 0);
		return frontend_lookup(&n->frontend) == SERVICE_WILDCARD ? -DROP_NO_SERVICE : 0;
	}
	result = frontend_find(p, n, &service);
	if (result <= 0 || !service)
		return result;
	n->service = result;
	if (!(service->flags & SERVICE_ROUTABLE))
		return -DROP_IS_CLUSTER_IP;
	if (source_is_own(p->source))
		return -DROP_INVALID_SOURCE_IP;
	if ((service->flags & SERVICE_SOURCE_RANGE) && !source_accepted(&n->range, n->service, service->flags, p->source))
		return -DROP_NOT_IN_SRC_RANGE;
	affinity_key_fill(&n->affinity, p->source, service->pool);
	hash = service_hash(p->source, service->flags & SERVICE_AFFINITY ? 0 : p->source_port, p->destination_port, p->protocol);
	for (attempt = 0; attempt < BACKEND_TRIES; attempt++) {
		backend = backend_select(p, n, service, hash, attempt);
		if (!backend)
			return -DROP_NO_SERVICE;
		result = backend_take(ctx, p, work, n, service, backend);
		if (result != -DROP_NAT_NO_MAPPING && result != -DROP_NO_SERVICE)
			break;
	}
	if (result < 0)
		return result;
	if ((service->flags & SERVICE_AFFINITY) && !n->remembered)
		affinity_store(&n->affinity, &n->choice, p->now);
	return 1;
}
