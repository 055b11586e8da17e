// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * New translations: which port a connection gets. Before including this, define NAT_CONTEXT, the type of the program's
 * context (struct __sk_buff or struct xdp_md).
 */
#pragma once

#include "lib/drop_reasons.h"
#include "lib/nat.h"
#include "lib/ports.h"
#include "lib/select.h"

#define NAT_UDP 17
#define NAT_ICMP 1
#define NAT_ICMP6 58
#define NAT_EEXIST 17
#define NAT_LISTEN 10 /* TCP_LISTEN */

/*
 * Where the search for a port begins. The same for the same connection, so that after the loss of its original entry
 * the first ports tried include its own; secret, so that nobody outside can guess it (RFC 6056, 3.3.3).
 */
inline_always __u32 nat_hash(struct nat_key *key)
{
	__u32 *word = words(key);
	__u32 hash = config_nat_seed;
	__u32 i;

#pragma unroll
	for (i = 0; i < sizeof(*key) / 4; i++)
		hash = hash_word(hash, word[i]);
	hash ^= sizeof(*key);
	hash ^= hash >> 16;
	hash *= 0x85ebca6b;
	hash ^= hash >> 13;
	hash *= 0xc2b2ae35;
	return hash ^ hash >> 16;
}

/*
 * The n-th port to try, in network order. In the narrow range, where the host's own sockets do not get ports by
 * themselves, an original port is kept; the wide one is for destinations that have used up the narrow one.
 */
inline_always __be16 nat_candidate(__u32 hash, __u32 try, __be16 original)
{
	__u32 low = config_nat_port_min, high = config_nat_port_max, port = bpf_ntohs(original);

	if (!try && port >= low && port <= high)
		return original;
	if (try >= NAT_TRIES_NARROW)
		low = config_nat_port_wide_min;
	return port_within(hash_again(hash, try), low, high);
}

inline_always int nat_has_ports(__u32 protocol)
{
	return protocol == NAT_TCP || protocol == NAT_UDP || protocol == NAT_ICMP || protocol == NAT_ICMP6;
}

/* Whether a socket of the node itself gets what work->partner_key names. Listening ones do not: a reply is no SYN. */
inline_always int nat_host_socket(NAT_CONTEXT *ctx, struct nat_key *key)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket;
	__u32 size, state;

	if (is_mapped(key->destination)) {
		size = sizeof(tuple.ipv4);
		tuple.ipv4.saddr = words(key->source)[3];
		tuple.ipv4.daddr = words(key->destination)[3];
		tuple.ipv4.sport = key->source_port;
		tuple.ipv4.dport = key->destination_port;
	} else {
		size = sizeof(tuple.ipv6);
		__builtin_memcpy(tuple.ipv6.saddr, key->source, ADDRESS_SIZE);
		__builtin_memcpy(tuple.ipv6.daddr, key->destination, ADDRESS_SIZE);
		tuple.ipv6.sport = key->source_port;
		tuple.ipv6.dport = key->destination_port;
	}
	if (key->protocol == NAT_TCP) {
		socket = bpf_skc_lookup_tcp(ctx, &tuple, size, BPF_F_CURRENT_NETNS, 0);
		if (!socket)
			return 0;
		state = socket->state;
		bpf_sk_release(socket);
		return state != NAT_LISTEN;
	}
	if (key->protocol == NAT_UDP) {
		socket = bpf_sk_lookup_udp(ctx, &tuple, size, BPF_F_CURRENT_NETNS, 0);
		if (!socket)
			return 0;
		bpf_sk_release(socket);
		return 1;
	}
	return 0;
}

/* Whether the port is one that clients reach a service by. */
inline_always int nat_is_frontend(struct nat_key *key)
{
	struct frontend_key frontend;

	if (!vip_possible(key->destination))
		return 0;
	frontend_key_fill(&frontend, key->destination, key->destination_port, key->protocol);
	if (frontend_lookup(&frontend))
		return 1;
	frontend_key_any_address(&frontend, !is_mapped(key->destination));
	return frontend_lookup(&frontend) != 0;
}

/*
 * Tries to take this source port for the connection in work. 0: it is its own; 1: it is another's.
 *
 * A forgotten entry is taken over by one compare-and-swap, so that of two CPUs only one does. An entry of this very
 * connection is what an eviction of the original one has left, or another CPU's that is just making it: shared.
 */
__attribute__((noinline)) int nat_try(NAT_CONTEXT *ctx, __u32 port)
{
	struct nat_work *work = nat_scratch();
	struct nat_entry *found;
	__u64 how = BPF_NOEXIST;

	if (!work)
		return 1;
	work->entry.source_port = port;
	nat_partner(work, &work->entry);
	found = bpf_map_lookup_elem(&cilium_nat, &work->partner_key);
	if (found && nat_is_partner(work, found)) {
		if (found->state & NAT_TAKEN)
			return 1;
	} else if (found) {
		__u64 *stamp = (__u64 *)&found->last_seen;
		__u64 old = *(volatile __u64 *)stamp;
		__s32 age = work->now - (__u32)old;

		if (age <= (__s32)(nat_timeout(work->key.protocol, old >> 32) + NAT_MARGIN))
			return 1;
		if (__sync_val_compare_and_swap(stamp, old, work->now | (__u64)NAT_TAKEN << 32) != old)
			return 1;
	}
	if (work->entry.flags & NAT_ALLOCATED) {
		if (nat_host_socket(ctx, &work->partner_key) || nat_is_frontend(&work->partner_key))
			return 1;
	}
	if (found)
		how = BPF_ANY;
	return nat_write(&work->partner_key, &work->partner, how) != 0;
}

inline_always void nat_tries_count(__u32 try)
{
	__u64 *count = bpf_map_lookup_elem(&cilium_nat_tries, &try);

	if (count)
		(*count)++;
}

struct nat_search {
	NAT_CONTEXT *ctx;
	struct nat_work *work;
	__u32 hash;
	__u32 found;
};

/* A step of the search: 1 ends it. */
static long nat_search_step(__u32 try, struct nat_search *search)
{
	struct nat_work *work = search->work;
	__u32 own = work->entry.flags & NAT_ALLOCATED;

	if (nat_try(search->ctx, own ? nat_candidate(search->hash, try, work->key.source_port)
				     : port_like(hash_again(search->hash, try), work->key.source_port)))
		return 0;
	nat_tries_count(try);
	/* packets to a port of the node's own are looked at for its sake */
	if (own)
		nat_port_mark(work->partner_key.destination_port);
	search->found = 1;
	return 1;
}

/*
 * Takes a port as nat_try(), the first that is free. 0 or a drop reason. Also for a client that keeps its address, where
 * the answers of its backend could not be told from those to another connection on the same port: to another frontend.
 */
__attribute__((noinline)) int nat_allocate(NAT_CONTEXT *ctx)
{
	struct nat_work *work = nat_scratch();
	struct nat_search search = { .ctx = ctx, .work = work };
	__u32 own;

	if (!work)
		return -DROP_INTERNAL;
	own = work->entry.flags & NAT_ALLOCATED;
	if (!nat_has_ports(work->key.protocol) || (work->key.kind && !work->key.source_port)) {
		/* nothing to tell connections apart by; a port of SCTP is under a checksum over the whole packet */
		if (own && !nat_try(ctx, work->key.source_port))
			return 0;
		return work->key.protocol == NAT_SCTP && own ? -DROP_L4_CHECKSUM : -DROP_NAT_NO_MAPPING;
	}
	search.hash = nat_hash(&work->key);
	/* by the helper: Linux 6.1 refuses some of the shapes that compilers give to loops with calls */
	bpf_loop(NAT_TRIES, nat_search_step, &search, 0);
	if (search.found)
		return 0;
	nat_tries_count(NAT_TRIES);
	return -DROP_NAT_NO_MAPPING;
}

/*
 * Writes both entries of a new connection: work->entry says what work->key becomes, but for the source port, which is
 * chosen where the entry is NAT_ALLOCATED or another connection has the answers of that one. 0, or a drop reason;
 * work->entry then is what holds, which another CPU may have written.
 */
__attribute__((noinline)) int nat_create(NAT_CONTEXT *ctx)
{
	struct nat_work *work = nat_scratch();
	struct nat_entry *found;
	__u32 alone;
	int result = 0;

	if (!work)
		return -DROP_INTERNAL;
	alone = work->entry.flags & NAT_ALONE;
	work->entry.last_seen = work->now;
	work->entry.state = nat_bits(work, work->entry.flags);
	work->entry.reserved[0] = 0;
	work->entry.reserved[1] = 0;
	if (work->entry.flags & NAT_ALLOCATED)
		result = nat_allocate(ctx);
	else if (!alone && nat_try(ctx, work->entry.source_port))
		result = nat_allocate(ctx);
	if (result < 0)
		return result;
	result = nat_write(&work->key, &work->entry, work->replace ? BPF_ANY : BPF_NOEXIST);
	if (result != -NAT_EEXIST)
		return 0; /* where it could not be written, the next packet of the connection finds the same port */
	found = bpf_map_lookup_elem(&cilium_nat, &work->key);
	if (!found)
		return 0;
	if (!alone && (found->source_port != work->entry.source_port ||
		       found->destination_port != work->entry.destination_port ||
		       !address_equal(found->source, work->entry.source) ||
		       !address_equal(found->destination, work->entry.destination)))
		bpf_map_delete_elem(&cilium_nat, &work->partner_key);
	/* the tuple is that of the answers of another connection */
	if (found->flags & NAT_REPLY)
		return -DROP_NAT_NO_MAPPING;
	__builtin_memcpy(&work->entry, found, sizeof(work->entry));
	return 0;
}
