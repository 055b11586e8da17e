// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Services before the stack: plain TCP and UDP packets, whole and without options, that come in from outside and go out
 * again. Everything else, and everything that needs a thought (a local backend, a missing neighbour, a refusal, the
 * time to live), is the stack's, where bpf_netdev finds the same entries: whoever sees a connection first decides it.
 */
#pragma once

#include "lib/nat_create.h"
#include "lib/select.h"
#include "lib/xdp_hop.h"
#include "lib/xdp_ipip.h"
#include "lib/xdp_rewrite.h"

CONFIG(__u8, xdp_services, 1, "1: services are treated before the stack; 0: only the prefilter looks at packets there");

#define IPV4_FRAGMENT 0x3fff /* more fragments, offset */
#define PROTOCOL_UDP 17
#define TCP_FLAG_ACK 0x10

struct service_work {
	struct frontend_key frontend;
	struct affinity_key affinity;
	struct source_range_key range;
	struct choice choice;
	__u8 nowhere[ADDRESS_SIZE]; /* all 0 */
	__u32 device; /* that the packet came in by */
	__u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct service_work);
} service_state SEC(".maps");

inline_always struct service_work *service_scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&service_state, &zero);
}

/* The service of work->key's destination, as clients outside see it; 0: none. */
inline_always __u32 service_of(struct nat_work *work, struct service_work *x, struct service **service)
{
	__u32 id;

	frontend_key_fill(&x->frontend, work->key.destination, work->key.destination_port, work->key.protocol);
	id = service_find_outside(&x->frontend, service);
	if (id || !is_node_address(work->key.destination))
		return id;
	frontend_key_any_address(&x->frontend, !is_mapped(work->key.destination));
	return service_find_outside(&x->frontend, service);
}

inline_always struct backend *backend_of(struct nat_work *work, struct service_work *x, struct service *service)
{
	__u32 affine = service->flags & SERVICE_AFFINITY;
	struct backend *backend;
	__u32 hash;

	if (affine) {
		affinity_key_fill(&x->affinity, work->key.source, service->pool);
		backend = affinity_find(service, &x->affinity, work->now, &x->choice);
		if (backend)
			return backend;
	}
	hash = service_hash(work->key.source, affine ? 0 : work->key.source_port, work->key.destination_port,
			    work->key.protocol);
	backend = backend_choose(service, hash, &x->choice);
	if (backend && affine)
		affinity_store(&x->affinity, &x->choice, work->now);
	return backend;
}

/* Whether packets to it are for this node: one of its endpoints, or one of its own addresses. */
inline_always int backend_is_here(struct backend *backend)
{
	struct address_ref *ref = bpf_map_lookup_elem(&cilium_addresses, backend->address);

	return ref && ((ref->ref & ADDRESS_LOCAL) || is_node_address(backend->address));
}

/* Opens a connection. */
inline_always int is_opening(struct nat_work *work)
{
	return (work->tcp_flags & (NAT_FLAG_SYN | TCP_FLAG_ACK)) == NAT_FLAG_SYN;
}

/* Packets that no entry knows: 1: it has one now; 0: nothing for this program; < 0. */
__attribute__((noinline)) int service_begin(struct xdp_md *ctx)
{
	struct nat_work *work = nat_scratch();
	struct service_work *x = service_scratch();
	struct service *service = 0;
	struct backend *backend;
	struct hop *hop;
	__u32 id, flags, dsr;
	int result;

	if (!work || !x)
		return 0;
	id = service_of(work, x, &service);
	if (!id || !service)
		return 0;
	flags = service->flags;
	if (!(flags & SERVICE_ROUTABLE) || (flags & SERVICE_LOCAL_REDIRECT))
		return 0;
	if (source_is_own(work->key.source))
		return 0;
	if ((flags & SERVICE_SOURCE_RANGE) && !source_accepted(&x->range, id, flags, work->key.source))
		return 0;
	dsr = flags & SERVICE_DSR;
	if (dsr && !config_dsr_ipip)
		return 0;
	/* what a connection is at another node's hands can go on only where the client's packets reach the backend as they are */
	if (work->key.protocol == NAT_TCP && ((work->tcp_flags & NAT_FLAG_RST) || (!dsr && !is_opening(work))))
		return 0;
	backend = backend_of(work, x, service);
	if (!backend || is_mapped(backend->address) != is_mapped(work->key.destination) || backend_is_here(backend))
		return 0;
	hop = hop_find(ctx, x->device, work->now, x->nowhere, backend->address);
	if (!hop || frame_is_foreign(ctx, hop) || (!halves(hop->own)[0] && !halves(hop->own)[1]))
		return 0;
	if (dsr) {
		address_copy(work->entry.source, work->key.source);
		work->entry.source_port = work->key.source_port;
		work->entry.flags = NAT_SERVICE | NAT_ALONE | NAT_LEAVES | NAT_DSR | NAT_IPIP;
	} else {
		address_copy(work->entry.source, hop->own);
		work->entry.source_port = work->key.source_port;
		work->entry.flags = NAT_SERVICE | NAT_ALLOCATED | NAT_LEAVES;
	}
	address_copy(work->entry.destination, backend->address);
	work->entry.destination_port = backend->port;
	work->entry.service = id;
	work->entry.backend = x->choice.index;
	work->entry.generation = x->choice.generation;
	result = nat_create(ctx);
	return result < 0 ? result : 1;
}

/*
 * Whether the packet asks for a connection where another one has ended, or was to go to a backend that has, or where it
 * would be an answer.
 */
inline_always int entry_is_over(struct nat_work *work, struct nat_entry *entry)
{
	if (entry->flags & NAT_REPLY)
		return is_opening(work);
	if ((entry->flags & NAT_SERVICE) && !backend_if(entry->backend, entry->generation))
		return 1;
	return is_opening(work) && (entry->state & (NAT_RESET | NAT_FIN_ORIGINAL | NAT_FIN_REPLY));
}

/* The entry that says what becomes of the packet, or 0. */
inline_always struct nat_entry *entry_find(struct xdp_md *ctx, struct nat_work *work, __u32 vip, int *result)
{
	struct nat_entry *entry = nat_find(work);

	*result = 0;
	if (entry && !entry_is_over(work, entry))
		return entry;
	if (entry) {
		/* one half of what bpf_netdev does is not enough: only what has no other half is begun anew here */
		if ((entry->flags & (NAT_ALONE | NAT_REPLY)) != NAT_ALONE)
			return 0;
		work->replace = 1;
	}
	if (!vip)
		return 0;
	*result = service_begin(ctx);
	return *result > 0 ? nat_find(work) : 0;
}

/* The frontend travels with the packet: bpf_netdev puts it in. */
inline_always int entry_has_option(struct nat_work *work, struct nat_entry *entry)
{
	if ((entry->flags & (NAT_DSR | NAT_IPIP)) != NAT_DSR)
		return 0;
	return work->key.protocol != NAT_TCP || is_opening(work);
}

/* By the entry of a packet of `length` bytes, Ethernet header left out: FINAL, 0: the stack's, < 0. */
inline_always int entry_apply(struct xdp_md *ctx, struct nat_work *work, struct service_work *x, struct nat_entry *entry,
			      __u32 length, const __u32 ipv6)
{
	__u32 within = entry->flags & NAT_IPIP;
	struct hop *hop;

	if (!(entry->flags & NAT_LEAVES) || entry_has_option(work, entry))
		return 0;
	hop = hop_find(ctx, x->device, work->now, within ? x->nowhere : entry->source, entry->destination);
	if (!hop || frame_is_foreign(ctx, hop))
		return 0;
	if (nat_touch(work, entry))
		return 0;
	if (!within) {
		if (length > hop->mtu)
			return 0;
		if (ipv6 ? rewrite6(ctx, &work->key, entry, hop) : rewrite4(ctx, &work->key, entry, hop))
			return 0;
		return XDP_FINAL(hop_take(hop));
	}
	if (ipv6) {
		if (length + FRAME_IPV6 > hop->mtu)
			return too_big6(ctx, hop->mtu - FRAME_IPV6);
		return ipip6_send(ctx, hop, words(entry->destination));
	}
	if (length + FRAME_IPV4 > hop->mtu)
		return too_big4(ctx, hop->mtu - FRAME_IPV4);
	return ipip4_send(ctx, hop, words(entry->destination)[3]);
}

/* Ports and flags of a packet whose addresses are in work->key: 0, or 1: not plain. */
inline_always int transport_take(struct xdp_md *ctx, struct nat_work *work, const __u32 offset, __u32 protocol)
{
	void *data = frame_data(ctx), *end = frame_end(ctx);
	__u8 *l4 = data + offset;
	__u32 ports;

	if ((void *)(l4 + FRAME_UDP) > end)
		return 1;
	work->tcp_flags = 0;
	if (protocol == NAT_TCP) {
		if ((void *)(l4 + FRAME_TCP) > end)
			return 1;
		work->tcp_flags = l4[13];
	} else if (protocol != PROTOCOL_UDP) {
		return 1;
	}
	ports = *(__u32 *)l4;
	((__u64 *)&work->key)[4] = ports | (__u64)protocol << 32;
	work->closes = 0;
	work->goes_on = 0;
	return 0;
}

/* A packet whose tuple is in work->key. */
inline_always int service_packet(struct xdp_md *ctx, struct nat_work *work, __u32 length, const __u32 ipv6)
{
	__u32 vip = vip_possible(work->key.destination);
	struct service_work *x = service_scratch();
	struct nat_entry *entry;
	int result;

	/* answers come to ports of the node's own addresses */
	if (!vip && !nat_port_marked(work->key.destination_port))
		return 0;
	if (!x)
		return 0;
	x->device = ctx->ingress_ifindex;
	work->now = ticks_now();
	entry = entry_find(ctx, work, vip, &result);
	if (!entry)
		return result < 0 ? result : 0;
	return entry_apply(ctx, work, x, entry, length, ipv6);
}

inline_always int service4(struct xdp_md *ctx)
{
	void *data = frame_data(ctx), *end = frame_end(ctx);
	struct iphdr *ip = data + FRAME_ETHERNET;
	struct nat_work *work = nat_scratch();
	__u32 length;

	if (!work || (void *)(ip + 1) > end || *(__u8 *)ip != 0x45 || (ip->frag_off & bpf_htons(IPV4_FRAGMENT)) || ip->ttl <= 1)
		return 0;
	length = bpf_ntohs(ip->tot_len);
	halves(work->key.source)[0] = 0;
	halves(work->key.source)[1] = mapped_half(ip->saddr);
	halves(work->key.destination)[0] = 0;
	halves(work->key.destination)[1] = mapped_half(ip->daddr);
	if (transport_take(ctx, work, FRAME_ETHERNET + FRAME_IPV4, ip->protocol))
		return 0;
	return service_packet(ctx, work, length, 0);
}

inline_always int service6(struct xdp_md *ctx)
{
	void *data = frame_data(ctx), *end = frame_end(ctx);
	struct ipv6hdr *ip = data + FRAME_ETHERNET;
	struct nat_work *work = nat_scratch();
	__u32 length;

	if (!work || (void *)(ip + 1) > end || ip->version != 6 || ip->hop_limit <= 1)
		return 0;
	length = FRAME_IPV6 + bpf_ntohs(ip->payload_len);
	words(work->key.source)[0] = ip->saddr.in6_u.u6_addr32[0];
	words(work->key.source)[1] = ip->saddr.in6_u.u6_addr32[1];
	words(work->key.source)[2] = ip->saddr.in6_u.u6_addr32[2];
	words(work->key.source)[3] = ip->saddr.in6_u.u6_addr32[3];
	words(work->key.destination)[0] = ip->daddr.in6_u.u6_addr32[0];
	words(work->key.destination)[1] = ip->daddr.in6_u.u6_addr32[1];
	words(work->key.destination)[2] = ip->daddr.in6_u.u6_addr32[2];
	words(work->key.destination)[3] = ip->daddr.in6_u.u6_addr32[3];
	if (is_mapped(work->key.source) || is_mapped(work->key.destination))
		return 0;
	if (transport_take(ctx, work, FRAME_ETHERNET + FRAME_IPV6, ip->nexthdr))
		return 0;
	return service_packet(ctx, work, length, 1);
}
