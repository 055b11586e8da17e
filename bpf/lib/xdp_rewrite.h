// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Headers of plain TCP and UDP packets, changed in place. The frame's checksums are complete: it comes off a wire. */
#pragma once

#include "lib/checksum.h"
#include "lib/nat.h"
#include "lib/xdp_frame.h"
#include "lib/xdp_hop.h"

#define FRAME_IPV4 20
#define FRAME_IPV6 40
#define FRAME_TCP 20
#define FRAME_UDP 8
#define FRAME_TCP_CHECK 16
#define FRAME_UDP_CHECK 6

/* The checksum of the transport header at `l4`, after the change; 0 written: -1 where it does not lie in the frame. */
inline_always int transport_check(void *l4, void *end, __u32 protocol, __u64 change)
{
	__u16 *check;

	if (protocol == NAT_TCP) {
		if (l4 + FRAME_TCP > end)
			return -1;
		check = l4 + FRAME_TCP_CHECK;
		*check = checksum_changed(*check, change);
		return 0;
	}
	if (l4 + FRAME_UDP > end)
		return -1;
	check = l4 + FRAME_UDP_CHECK;
	if (*check) {
		__u16 changed = checksum_changed(*check, change);

		*check = changed ? changed : 0xffff;
	}
	return 0;
}

inline_always __u64 ports_changed(struct nat_key *from, struct nat_entry *to)
{
	return sum_change2(from->source_port, to->source_port) + sum_change2(from->destination_port, to->destination_port);
}

/* One hop less, checksum included. */
inline_always void ipv4_hop_less(struct iphdr *ip)
{
	__u32 check = ip->check + bpf_htons(0x0100); /* RFC 1624, for one less in the high byte of a word */

	ip->check = check + (check >= 0xffff);
	ip->ttl--;
}

/* Addresses, ports, hop limit and MAC addresses as the entry and the way say. 0, or -1: nothing was changed. */
inline_always int rewrite4(struct xdp_md *ctx, struct nat_key *from, struct nat_entry *to, struct hop *hop)
{
	void *data = frame_data(ctx), *end = frame_end(ctx);
	struct iphdr *ip = data + FRAME_ETHERNET;
	__u32 *ports = data + FRAME_ETHERNET + FRAME_IPV4;
	__u64 change = sum_change4(from->source, to->source) + sum_change4(from->destination, to->destination);

	if ((void *)(ports + 1) > end || transport_check(ports, end, from->protocol, change + ports_changed(from, to)))
		return -1;
	*ports = to->source_port | (__u32)to->destination_port << 16;
	ip->check = checksum_changed(ip->check, change);
	ip->saddr = words(to->source)[3];
	ip->daddr = words(to->destination)[3];
	ipv4_hop_less(ip);
	hop_macs(hop, data);
	return 0;
}

inline_always int rewrite6(struct xdp_md *ctx, struct nat_key *from, struct nat_entry *to, struct hop *hop)
{
	void *data = frame_data(ctx), *end = frame_end(ctx);
	struct ipv6hdr *ip = data + FRAME_ETHERNET;
	__u32 *ports = data + FRAME_ETHERNET + FRAME_IPV6;
	__u64 change = sum_change16(from->source, to->source) + sum_change16(from->destination, to->destination);
	__u32 *address;

	if ((void *)(ports + 1) > end || transport_check(ports, end, from->protocol, change + ports_changed(from, to)))
		return -1;
	*ports = to->source_port | (__u32)to->destination_port << 16;
	address = ip->saddr.in6_u.u6_addr32;
	address[0] = words(to->source)[0];
	address[1] = words(to->source)[1];
	address[2] = words(to->source)[2];
	address[3] = words(to->source)[3];
	address = ip->daddr.in6_u.u6_addr32;
	address[0] = words(to->destination)[0];
	address[1] = words(to->destination)[1];
	address[2] = words(to->destination)[2];
	address[3] = words(to->destination)[3];
	ip->hop_limit--;
	hop_macs(hop, data);
	return 0;
}
