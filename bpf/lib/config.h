// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Load-time configuration: read-only data, set between open and load, constant for the verifier. Nothing is compiled
 * on the node. The description travels in BTF (declaration tag), from which the TypeScript type is generated.
 */
#pragma once

#include "lib/common.h"

#define CONFIG(type, name, value, description) \
	volatile const type config_##name __attribute__((btf_decl_tag(description))) = value

CONFIG(__u32, world_ipv4, 9, "identity of IPv4 addresses that nothing else names: 9 in dual stack, 2 in single stack");
CONFIG(__u32, world_ipv6, 10, "identity of IPv6 addresses that nothing else names: 10 in dual stack, 2 in single stack");
CONFIG(__u32, jiffies_per_second, 250, "the kernel's CONFIG_HZ; the program cil_clock measures it");
CONFIG(__u32, timeout_tcp, 8000, "seconds without a packet after which an established TCP flow is forgotten");
CONFIG(__u32, timeout_tcp_syn, 60, "seconds after which a TCP flow is forgotten that only saw SYN segments");
CONFIG(__u32, timeout_tcp_fin, 10, "seconds after which a TCP flow is forgotten that both ends closed or one reset");
CONFIG(__u32, timeout_any, 60, "seconds after which a flow of any other protocol is forgotten");
CONFIG(__u32, events_wakeup, 2097152, "bytes waiting in cilium_events at which the consumer is woken (a quarter of the ring, a power of two)");
CONFIG(__u32, service_seed, 0, "seed of the hash that chooses a backend; the same on all nodes, or Maglev tables are of no use");
CONFIG(__u32, service_loopback, 2852006401, "IPv4 address, as a number, as which an endpoint sees itself behind a service (169.254.42.1); over IPv6 it is 100:: with this in the last 32 bits");
CONFIG(__u8, source_range_all_types, 0, "1: source ranges of services bind clients inside the cluster too");
CONFIG(__u8, service_reject, 1, "1: packets to a service without backends are answered with an ICMP error; 0: dropped silently");
CONFIG(__u8, enable_ipv4, 1, "0: IPv4 and ARP packets of endpoints are dropped");
CONFIG(__u8, enable_ipv6, 1, "0: IPv6 packets of endpoints are dropped");
CONFIG(__u8, events_drop, 1, "1: dropped packets are reported");
CONFIG(__u8, events_verdict, 1, "1: policy verdicts of allowed new flows are reported");
CONFIG(__u8, events_trace, 1, "1: where the first packet of a flow went is reported");
