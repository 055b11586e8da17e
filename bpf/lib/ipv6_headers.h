// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The chain of IPv6 extension headers, outer or quoted in an ICMP error. Rare, so by bpf_skb_load_bytes. */
#pragma once

#include "lib/packet.h"

/* More headers, or headers longer in total, than any honest sender uses. */
#define MAX_EXTENSION_HEADERS 8
#define MAX_EXTENSIONS_END 512

#define FRAGMENT_FIRST 1
#define FRAGMENT_LATER 2

#define NEXT_HOP_BY_HOP 0
#define NEXT_ROUTING 43
#define NEXT_FRAGMENT 44
#define NEXT_AUTHENTICATION 51
#define NEXT_NONE 59
#define NEXT_DESTINATION 60
#define NEXT_MOBILITY 135
#define NEXT_HIP 139
#define NEXT_SHIM6 140
#define NEXT_EXPERIMENT_1 253
#define NEXT_EXPERIMENT_2 254

/*
 * Walks from the header `next` at `offset` to the upper layer: returns its offset | protocol << 16, or a drop reason.
 * walk_fragment, fragment_id, fragment_offset and fragment_protocol of the packet tell of a fragment header; behind
 * that of a later fragment nothing can be parsed, the walk ends there. Routing headers that still have somewhere to go
 * are refused, for their destination is not the one that is judged.
 */
__attribute__((noinline)) int ipv6_walk(struct __sk_buff *ctx, __u32 offset, __u32 next)
{
	struct packet *p = packet_scratch();
	__u8 header[8];
	__u32 count;

	if (!p)
		return -DROP_INTERNAL;
	p->walk_fragment = 0;
	for (count = 0; count <= MAX_EXTENSION_HEADERS; count++) {
		next &= 0xff;
		if (offset > MAX_EXTENSIONS_END)
			return -DROP_INVALID_EXTENSION_HEADER;
		switch (next) {
		case NEXT_HOP_BY_HOP:
			if (count)
				return -DROP_INVALID_EXTENSION_HEADER;
			break;
		case NEXT_ROUTING:
		case NEXT_FRAGMENT:
		case NEXT_AUTHENTICATION:
		case NEXT_DESTINATION:
			break;
		case NEXT_NONE:
		case NEXT_MOBILITY:
		case NEXT_HIP:
		case NEXT_SHIM6:
		case NEXT_EXPERIMENT_1:
		case NEXT_EXPERIMENT_2:
			return -DROP_INVALID_EXTENSION_HEADER;
		default:
			return offset | next << 16;
		}
		if (bpf_skb_load_bytes(ctx, offset, header, sizeof(header)) < 0)
			return -DROP_TRUNCATED;
		if (next == NEXT_FRAGMENT) {
			__u32 bits = (__u32)header[2] << 8 | header[3];

			if (p->walk_fragment)
				return -DROP_INVALID_EXTENSION_HEADER;
			next = header[0];
			offset += 8;
			if (!(bits & 0xfff9))
				continue; /* an atomic fragment is a whole packet */
			p->fragment_id = *(__u32 *)&header[4];
			p->fragment_offset = bits & 0xfff8;
			p->fragment_protocol = next;
			p->walk_fragment = p->fragment_offset ? FRAGMENT_LATER : FRAGMENT_FIRST;
			if (p->fragment_offset)
				return offset | next << 16;
			continue;
		}
		if (next == NEXT_ROUTING && header[3])
			return -DROP_INVALID_EXTENSION_HEADER;
		offset += next == NEXT_AUTHENTICATION ? ((__u32)header[1] + 2) * 4 : ((__u32)header[1] + 1) * 8;
		next = header[0];
	}
	return -DROP_INVALID_EXTENSION_HEADER;
}
