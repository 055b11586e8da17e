// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * From a destination to a service, and from a service to one of its backends: the same for packets, sockets and XDP.
 * Nothing here knows of a packet. Keys and results lie where the caller has room, on the stack or in its scratch.
 */
#pragma once

#include "lib/addresses.h"
#include "lib/services.h"
#include "lib/ticks.h"

/* A backend that was chosen: what a flow remembers of it. */
struct choice {
	__u32 index;
	__u32 generation; /* not 0 where there is one */
};

inline_always void frontend_key_fill(struct frontend_key *key, const void *address, __be16 port, __u8 protocol)
{
	/* the address may lie where only four bytes are aligned; the hash reads by four */
	((__u32 *)key->address)[0] = ((const __u32 *)address)[0];
	((__u32 *)key->address)[1] = ((const __u32 *)address)[1];
	((__u32 *)key->address)[2] = ((const __u32 *)address)[2];
	((__u32 *)key->address)[3] = ((const __u32 *)address)[3];
	((__u32 *)key)[4] = port | (__u32)protocol << 16 | (__u32)SCOPE_EXTERNAL << 24;
}

/* The same port of "every address of this node" (NodePort, HostPort): for addresses that is_node_address() knows. */
inline_always void frontend_key_any_address(struct frontend_key *key, __u32 ipv6)
{
	((__u32 *)key->address)[0] = 0;
	((__u32 *)key->address)[1] = 0;
	((__u32 *)key->address)[2] = ipv6 ? 0 : bpf_htonl(0x0000ffff);
	((__u32 *)key->address)[3] = 0;
	key->scope = SCOPE_EXTERNAL;
}

/* "Any other port of this address": whether it leads to SERVICE_WILDCARD says that the address is a service's. */
inline_always void frontend_key_wildcard(struct frontend_key *key)
{
	((__u32 *)key)[4] = 0;
}

/* The id of the service of this frontend; 0: none. SERVICE_WILDCARD for keys of frontend_key_wildcard() only. */
inline_always __u32 frontend_lookup(struct frontend_key *key)
{
	struct frontend *frontend = bpf_map_lookup_elem(&cilium_frontends, key);

	return frontend ? *(volatile __u32 *)&frontend->service : 0;
}

inline_always struct service *service_get(__u32 id)
{
	return bpf_map_lookup_elem(&cilium_services, &id);
}

/*
 * The frontend as a client inside the cluster sees it: that of the internal scope where the service has two. 0 or its
 * id, and the service itself.
 */
inline_always __u32 service_find_inside(struct frontend_key *key, struct service **service)
{
	__u32 id = frontend_lookup(key);

	if (!id)
		return 0;
	*service = service_get(id);
	if (!*service)
		return 0;
	if ((*service)->flags & SERVICE_TWO_SCOPES) {
		key->scope = SCOPE_INTERNAL;
		id = frontend_lookup(key);
		key->scope = SCOPE_EXTERNAL;
		if (!id)
			return 0;
		*service = service_get(id);
		if (!*service)
			return 0;
	}
	return id;
}

/* The same for a client outside: the external scope. */
inline_always __u32 service_find_outside(struct frontend_key *key, struct service **service)
{
	__u32 id = frontend_lookup(key);

	if (!id)
		return 0;
	*service = service_get(id);
	return *service ? id : 0;
}

/* Whether the agent has told that the address is one of this node's: where frontends of "every address" apply. */
inline_always int is_node_address(void *address)
{
	struct address_ref *ref = bpf_map_lookup_elem(&cilium_addresses, address);
	struct remote *remote;
	__u32 index;

	if (!ref || (ref->ref & ADDRESS_LOCAL))
		return 0;
	index = ref->ref;
	remote = bpf_map_lookup_elem(&cilium_remotes, &index);
	/* whichever epoch: no policy is asked */
	return remote && ((*(volatile __u64 *)&remote->half[0] >> 32) & REMOTE_HOST);
}

/*
 * Whether this packet from outside claims to come from this node, or from one of its endpoints: what those send does not
 * come in by a device. The stack would tell; what goes out again does not pass it.
 */
inline_always int source_is_own(void *address)
{
	struct address_ref *ref = bpf_map_lookup_elem(&cilium_addresses, address);

	return ref && ((ref->ref & ADDRESS_LOCAL) || is_node_address(address));
}

/* 0 where the backend has ended, or its place was given to another. */
inline_always struct backend *backend_if(__u32 index, __u32 generation)
{
	struct backend *backend = bpf_map_lookup_elem(&cilium_backends, &index);

	return likely(backend && *(volatile __u32 *)&backend->generation == generation) ? backend : 0;
}

inline_always struct backend *run_read(struct service *service, __u32 hash, struct choice *choice)
{
	/* offset and length by one load: the writer changes both by one store */
	__u64 target = *(volatile __u64 *)&service->target;
	__u32 length = target >> 32;
	struct backend *backend;

	if (!length)
		return 0;
	choice->index = run_backend((__u32)target + run_position(hash, length));
	backend = bpf_map_lookup_elem(&cilium_backends, &choice->index);
	if (!backend)
		return 0;
	choice->generation = *(volatile __u32 *)&backend->generation;
	return choice->generation ? backend : 0;
}

/*
 * The backend that this hash (service_hash) leads to; 0: the service has none. One that ended since the run was read has
 * left the run as well, so that is read once more.
 */
inline_always struct backend *backend_choose(struct service *service, __u32 hash, struct choice *choice)
{
	struct backend *backend = run_read(service, hash, choice);

	return backend ? backend : run_read(service, hash, choice);
}

/* The hash for another backend of the same run, where the one it leads to cannot be taken: attempts 1, 2, ... */
inline_always __u32 hash_again(__u32 hash, __u32 attempt)
{
	return hash + attempt * 0x9e3779b1u;
}

/* `client` is an address, or the form that stands for a network namespace (see struct affinity_key). */
inline_always void affinity_key_fill(struct affinity_key *key, const void *client, __u32 pool)
{
	((__u32 *)key->client)[0] = ((const __u32 *)client)[0];
	((__u32 *)key->client)[1] = ((const __u32 *)client)[1];
	((__u32 *)key->client)[2] = ((const __u32 *)client)[2];
	((__u32 *)key->client)[3] = ((const __u32 *)client)[3];
	key->pool = pool;
	key->reserved = 0;
}

/*
 * The backend that this client had from the pool, if not too long ago and if it still is one of the pool that takes new
 * connections; else 0.
 */
inline_always struct backend *affinity_find(struct service *service, struct affinity_key *key, __u32 now,
					    struct choice *choice)
{
	struct affinity *affinity = bpf_map_lookup_elem(&cilium_affinities, key);
	struct backend *backend;

	if (!affinity || now - affinity->last_used >= timeout_ticks(service->affinity_timeout))
		return 0;
	choice->index = affinity->backend;
	choice->generation = affinity->generation;
	backend = backend_if(choice->index, choice->generation);
	if (!backend || !choice->generation || backend->pool != service->pool || backend->state != BACKEND_ACTIVE)
		return 0;
	/* an update costs far more than this store, and may find no room */
	if (affinity->last_used != now)
		affinity->last_used = now;
	return backend;
}

/* Where this fails the client is led by its hash again, which leads to the same backend while the run stays as it is. */
inline_always void affinity_store(struct affinity_key *key, const struct choice *choice, __u32 now)
{
	struct affinity affinity = { .backend = choice->index, .generation = choice->generation, .last_used = now };

	bpf_map_update_elem(&cilium_affinities, key, &affinity, BPF_ANY);
}

/*
 * Whether the service accepts this client, by its source ranges: asked only where SERVICE_SOURCE_RANGE is set. The key
 * lies with the caller.
 */
inline_always int source_accepted(struct source_range_key *key, __u32 service, __u32 flags, const void *client)
{
	__u32 covered;

	key->prefixlen = 32 + 8 * ADDRESS_SIZE;
	key->service = service;
	((__u32 *)key->address)[0] = ((const __u32 *)client)[0];
	((__u32 *)key->address)[1] = ((const __u32 *)client)[1];
	((__u32 *)key->address)[2] = ((const __u32 *)client)[2];
	((__u32 *)key->address)[3] = ((const __u32 *)client)[3];
	covered = bpf_map_lookup_elem(&cilium_source_ranges, key) != 0;
	return flags & SERVICE_SOURCE_DENY ? !covered : covered;
}
