// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Load-time configuration of translation at the socket. */
#pragma once

#include "lib/config.h"

CONFIG(__u64, host_netns_cookie, 0, "cookie of the network namespace that counts as the node's own; 0: the initial one");
CONFIG(__u8, sock_hostns_only, 0, "1: only sockets of the node's own network namespace are translated, others per packet");
CONFIG(__u8, node_port_bind_protection, 1, "1: sockets of the node cannot be bound to the ports of its services");
CONFIG(__u8, external_ip_mitigation, 1, "1: at the socket, external addresses are only translated where they are this node's own");

/*
 * Whether the program's socket is the node's own, not a pod's. The helper takes the context of the caller's program
 * type, or none for the initial namespace.
 */
#define in_host_netns(ctx) \
	(bpf_get_netns_cookie(ctx) == (config_host_netns_cookie ? config_host_netns_cookie : bpf_get_netns_cookie(0)))
