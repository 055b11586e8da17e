// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What stays on the link between an endpoint and the node: ARP, neighbour discovery, multicast, broadcast. None of it
 * is anybody's identity; each is decided here:
 *
 *   from the endpoint
 *     ARP request or reply with the endpoint's own addresses    to the stack: the kernel answers for the gateway with
 *                                                               the MAC of the veth; a probe (source 0.0.0.0) for the
 *                                                               own address likewise; any other claim is dropped
 *     neighbour solicitation, advertisement                     to the stack, if source (own or link-local), target of
 *                                                               an advertisement (own or its own link-local source)
 *                                                               and link-layer options (own MAC) are the endpoint's
 *     duplicate address detection (solicitation from ::)        handled: nobody else is on the link
 *     router solicitation                                       handled: addresses and routes are given at creation
 *     router advertisement, redirect                            dropped as forbidden
 *     MLD, IGMP, other multicast                                handled: there are no multicast routes
 *     255.255.255.255, DHCP with it                             handled: addresses are given at creation
 *     unspecified, loopback, 240.0.0.0/4 as destination         dropped as unknown target
 *   to the endpoint
 *     ARP of the node itself                                    delivered
 *     neighbour solicitation and advertisement of the node      delivered; forwarded ones dropped
 *     MLD of the node itself                                    delivered
 *     router advertisement, redirect                            dropped as forbidden
 *     other multicast, broadcast                                handled
 *
 * "Handled" is a drop with a reason of its own, so that it does not look like a violation.
 */
#pragma once

#include "lib/endpoints.h"
#include "lib/icmp.h"
#include "lib/packet.h"
#include "lib/parse.h"

#define ARP_HARDWARE_ETHERNET 1
#define ARP_REQUEST 1
#define ARP_REPLY 2

struct arp_packet {
	__be16 hardware;
	__be16 protocol;
	__u8 hardware_size;
	__u8 protocol_size;
	__be16 operation;
	__u8 sender_mac[6];
	__u8 sender_address[4];
	__u8 target_mac[6];
	__u8 target_address[4];
};

#define ND_TARGET 8
#define ND_OPTIONS 24
#define ND_OPTION_SOURCE_LINK 1
#define ND_OPTION_TARGET_LINK 2
#define MAX_ND_OPTIONS 4
#define ND_HOP_LIMIT 255

inline_always int mac_equal(const __u8 *a, const __u8 *b)
{
	return *(const __u32 *)a == *(const __u32 *)b && ((const __u16 *)a)[2] == ((const __u16 *)b)[2];
}

inline_always __u32 unaligned32(const __u8 *bytes)
{
	return ((const __u16 *)bytes)[0] | (__u32)((const __u16 *)bytes)[1] << 16;
}

inline_always int is_link_local6(const __u8 *address)
{
	return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

inline_always int is_unspecified(void *address)
{
	return !(halves(address)[0] | halves(address)[1]);
}

inline_always int is_loopback6(void *address)
{
	return !halves(address)[0] && halves(address)[1] == bpf_cpu_to_be64(1);
}

inline_always int arp_parse(struct __sk_buff *ctx, struct arp_packet **arp)
{
	void *data = packet_data(ctx), *end = packet_end(ctx);
	struct arp_packet *header = data + ETHERNET_SIZE;

	if (data + ETHERNET_SIZE + sizeof(*header) > end)
		return -DROP_TRUNCATED;
	if (header->hardware != bpf_htons(ARP_HARDWARE_ETHERNET) || header->protocol != bpf_htons(ETH_P_IP) ||
	    header->hardware_size != 6 || header->protocol_size != 4)
		return -DROP_INVALID_PACKET;
	if (header->operation != bpf_htons(ARP_REQUEST) && header->operation != bpf_htons(ARP_REPLY))
		return -DROP_INVALID_PACKET;
	*arp = header;
	return 0;
}

inline_always int arp_from_container(struct __sk_buff *ctx, struct endpoint_info *endpoint)
{
	struct arp_packet *arp;
	__u32 own = words(endpoint->address4)[3];
	__u32 claimed;
	int result;

	if (!config_enable_ipv4 || !(endpoint->flags & ENDPOINT_IPV4))
		return -DROP_UNSUPPORTED_L3;
	result = arp_parse(ctx, &arp);
	if (result < 0)
		return result;
	if (!mac_equal(arp->sender_mac, endpoint->mac))
		return -DROP_INVALID_SOURCE_MAC;
	claimed = unaligned32(arp->sender_address);
	if (!claimed && arp->operation == bpf_htons(ARP_REQUEST))
		claimed = unaligned32(arp->target_address); /* a probe claims its target */
	if (claimed != own)
		return -DROP_INVALID_SOURCE_IP;
	return FINAL(TC_ACT_OK);
}

inline_always int arp_to_container(struct __sk_buff *ctx, struct packet *p)
{
	struct arp_packet *arp;
	int result;

	if (!config_enable_ipv4)
		return -DROP_UNSUPPORTED_L3;
	result = arp_parse(ctx, &arp);
	if (result < 0)
		return result;
	return p->ingress_ifindex ? -DROP_INVALID_SOURCE_IP : FINAL(TC_ACT_OK);
}

/* Link-layer addresses in the options from `offset` on must be the endpoint's MAC. */
__attribute__((noinline)) int nd_options(struct __sk_buff *ctx, __u32 offset, __u32 limit, __u64 mac)
{
	__u32 count;

	for (count = 0; count < MAX_ND_OPTIONS; count++) {
		__u8 option[8];
		__u64 link;

		if (offset == limit)
			return 0;
		if (offset > 2 * MAX_EXTENSIONS_END || offset + sizeof(option) > limit)
			return -DROP_TRUNCATED;
		if (bpf_skb_load_bytes(ctx, offset, option, sizeof(option)) < 0)
			return -DROP_TRUNCATED;
		if (!option[1])
			return -DROP_FORBIDDEN_ICMP6;
		if (option[0] == ND_OPTION_SOURCE_LINK || option[0] == ND_OPTION_TARGET_LINK) {
			link = *(__u64 *)option >> 16;
			if (option[1] != 1 || link != mac)
				return -DROP_INVALID_SOURCE_MAC;
		}
		offset += option[1] * 8;
	}
	return offset == limit ? 0 : -DROP_FORBIDDEN_ICMP6;
}

inline_always __u64 mac_number(const __u8 *mac)
{
	return ((const __u16 *)mac)[0] | (__u64)((const __u16 *)mac)[1] << 16 | (__u64)((const __u16 *)mac)[2] << 32;
}

inline_always int nd_from_container(struct __sk_buff *ctx, struct packet *p, struct endpoint_info *endpoint, __u32 type)
{
	__u8 target[ADDRESS_SIZE] __attribute__((aligned(8)));

	if (p->hop_limit != ND_HOP_LIMIT)
		return -DROP_FORBIDDEN_ICMP6;
	if (bpf_skb_load_bytes(ctx, p->l4_offset + ND_TARGET, target, sizeof(target)) < 0 ||
	    p->l4_offset + ND_OPTIONS > p->limit)
		return -DROP_TRUNCATED;
	if (target[0] == 0xff)
		return -DROP_FORBIDDEN_ICMP6;
	if (is_unspecified(p->source))
		return type == ICMP6_NEIGHBOUR_SOLICITATION ? -DROP_MULTICAST_HANDLED : -DROP_INVALID_SOURCE_IP;
	if (!is_link_local6(p->source) && !address_equal(p->source, endpoint->address6))
		return -DROP_INVALID_SOURCE_IP;
	if (type == ICMP6_NEIGHBOUR_ADVERTISEMENT && !address_equal(target, endpoint->address6) &&
	    !(is_link_local6(target) && address_equal(target, p->source)))
		return -DROP_INVALID_SOURCE_IP;
	return nd_options(ctx, p->l4_offset + ND_OPTIONS, p->limit, mac_number(endpoint->mac));
}

/* ICMPv6 types that never leave the link. */
inline_always int is_link_icmp6(__u32 type)
{
	return (type >= ICMP6_MLD_QUERY && type <= ICMP6_REDIRECT) || type == ICMP6_MLD2_REPORT;
}

/*
 * IPv6 from the endpoint that is multicast, of the link's own protocols, or not from the endpoint's address. Never 0:
 * nothing of this goes on to policy.
 */
__attribute__((noinline)) int link6_from_container(struct __sk_buff *ctx)
{
	struct packet *p = packet_scratch();
	struct endpoint_info *endpoint;
	__u8 type = 0;
	int result;

	if (!p)
		return -DROP_INTERNAL;
	endpoint = bpf_map_lookup_elem(&cilium_endpoints, &p->slot);
	if (!endpoint)
		return -DROP_INTERNAL;
	if (p->protocol == IPPROTO_ICMPV6 && !(p->traits & TRAIT_FRAGMENT)) {
		if (p->l4_offset + ICMP_SIZE > p->limit || bpf_skb_load_bytes(ctx, p->l4_offset, &type, 1) < 0)
			return -DROP_TRUNCATED;
		p->icmp_type = type;
	}
	switch (type) {
	case ICMP6_NEIGHBOUR_SOLICITATION:
	case ICMP6_NEIGHBOUR_ADVERTISEMENT:
		result = nd_from_container(ctx, p, endpoint, type);
		return result < 0 ? result : FINAL(TC_ACT_OK);
	case ICMP6_ROUTER_ADVERTISEMENT:
	case ICMP6_REDIRECT:
		return -DROP_FORBIDDEN_ICMP6;
	case ICMP6_ROUTER_SOLICITATION:
		return -DROP_MULTICAST_HANDLED;
	}
	if (is_link_icmp6(type) || p->destination[0] == 0xff)
		return -DROP_MULTICAST_HANDLED;
	return -DROP_INVALID_SOURCE_IP;
}

/* IPv6 to the endpoint that is multicast, of the link's own protocols, or not to the endpoint's address. Never 0. */
__attribute__((noinline)) int link6_to_container(struct __sk_buff *ctx)
{
	struct packet *p = packet_scratch();
	__u8 type = 0;

	if (!p)
		return -DROP_INTERNAL;
	if (p->protocol == IPPROTO_ICMPV6 && !(p->traits & TRAIT_FRAGMENT)) {
		if (p->l4_offset + ICMP_SIZE > p->limit || bpf_skb_load_bytes(ctx, p->l4_offset, &type, 1) < 0)
			return -DROP_TRUNCATED;
		p->icmp_type = type;
	}
	switch (type) {
	case ICMP6_NEIGHBOUR_SOLICITATION:
	case ICMP6_NEIGHBOUR_ADVERTISEMENT:
		/* a router must not forward these, so one that came in elsewhere is forged */
		if (p->ingress_ifindex || p->hop_limit != ND_HOP_LIMIT)
			return -DROP_FORBIDDEN_ICMP6;
		return FINAL(TC_ACT_OK);
	case ICMP6_ROUTER_ADVERTISEMENT:
	case ICMP6_REDIRECT:
		return -DROP_FORBIDDEN_ICMP6;
	case ICMP6_ROUTER_SOLICITATION:
		return -DROP_MULTICAST_HANDLED;
	}
	if (is_link_icmp6(type))
		return p->ingress_ifindex ? -DROP_MULTICAST_HANDLED : FINAL(TC_ACT_OK);
	if (p->destination[0] == 0xff)
		return -DROP_MULTICAST_HANDLED;
	return -DROP_STALE_IP;
}

/* Destinations that IPv4 unicast cannot have. */
inline_always int target4_check(const __u8 *address)
{
	__u32 first = address[0];

	if (first - 1 < 126 || first - 128 < 96)
		return 0;
	if (first >= 224 && first < 240)
		return -DROP_MULTICAST_HANDLED;
	if (*(const __u32 *)address == 0xffffffff)
		return -DROP_BROADCAST_HANDLED;
	return -DROP_UNKNOWN_TARGET;
}

/* Sources that IPv4 unicast cannot have: 0/8, 127/8, 224/3. */
inline_always int source4_valid(const __u8 *address)
{
	__u32 first = address[0];

	return first - 1 < 126 || first - 128 < 96;
}
