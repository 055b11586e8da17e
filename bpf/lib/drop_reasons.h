// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Why packets are dropped: X(NAME, code, text), the one list that also generates the TypeScript table. Codes up to 205
 * mean what they mean in Cilium 1.19; from 240 on they are this project's own. A code fits a byte: metrics are counted
 * by (code, direction).
 */
#pragma once

#define DROP_REASONS(X) \
	X(INVALID_SOURCE_MAC, 130, "Invalid source MAC") \
	X(INVALID_DESTINATION_MAC, 131, "Invalid destination MAC") \
	X(INVALID_SOURCE_IP, 132, "Invalid source IP") \
	X(POLICY, 133, "Policy denied") \
	X(INVALID_PACKET, 134, "Invalid packet") \
	X(TRUNCATED, 135, "Truncated or invalid header") \
	X(FRAG_NEEDED, 136, "Fragmentation needed") \
	X(UNSUPPORTED_L3, 139, "Unsupported L3 protocol") \
	X(WRITE_ERROR, 141, "Error while writing to packet") \
	X(UNKNOWN_L4, 142, "Unknown L4 protocol") \
	X(UNKNOWN_ICMP4_TYPE, 144, "Unknown ICMPv4 type") \
	X(UNKNOWN_ICMP6_TYPE, 146, "Unknown ICMPv6 type") \
	X(UNKNOWN_TARGET, 150, "Unknown L3 target address") \
	X(STALE_IP, 151, "Stale or unroutable IP") \
	X(NO_LOCAL_ENDPOINT, 152, "No matching local container found") \
	X(L4_CHECKSUM, 154, "Error while correcting L4 checksum") \
	X(FLOW_INSERT_FAILED, 155, "CT: map insertion failed") \
	X(INVALID_EXTENSION_HEADER, 156, "Invalid IPv6 extension header") \
	X(NO_SERVICE, 158, "Service backend not found") \
	X(UNKNOWN_FLOW, 163, "Unknown connection tracking state") \
	X(UNSUPPORTED_L2, 166, "Unsupported L2 protocol") \
	X(NAT_NO_MAPPING, 167, "No mapping for NAT masquerade") \
	X(FIB_LOOKUP, 169, "FIB lookup failed") \
	X(UNKNOWN_SENDER, 172, "Unknown sender") \
	X(IS_CLUSTER_IP, 174, "Is a ClusterIP") \
	X(FRAGMENT_NOT_FOUND, 175, "First logical datagram fragment not found") \
	X(FORBIDDEN_ICMP6, 176, "Forbidden ICMPv6 message") \
	X(NOT_IN_SRC_RANGE, 177, "Denied by LB src-range check") \
	X(POLICY_DENY, 181, "Policy denied by denylist") \
	X(VLAN_FILTERED, 182, "VLAN traffic disallowed by VLAN filter") \
	X(TTL_EXCEEDED, 196, "TTL exceeded") \
	X(MULTICAST_HANDLED, 201, "Multicast handled") \
	X(NO_POLICY, 203, "No policy in force for the endpoint") \
	X(IP_OPTIONS, 240, "Forbidden or malformed IPv4 options") \
	X(BROADCAST_HANDLED, 241, "Broadcast or DHCP handled") \
	X(PREFILTER, 242, "Denied by the CIDR prefilter") \
	X(NOT_A_BACKEND, 243, "Not a backend of the service it names") \
	X(INTERNAL, 249, "Internal error")

enum drop_reason {
#define DROP_ENUM(name, code, text) DROP_##name = code,
	DROP_REASONS(DROP_ENUM)
#undef DROP_ENUM
};

/* Reasons in cilium_metrics that are not drops: METRIC(NAME, code, text). */
#define METRIC_REASONS(X) \
	X(FORWARDED, 0, "Forwarded") \
	X(EVENT_LOST, 121, "Event lost: ring buffer full")

enum metric_reason {
#define METRIC_ENUM(name, code, text) METRIC_##name = code,
	METRIC_REASONS(METRIC_ENUM)
#undef METRIC_ENUM
};
