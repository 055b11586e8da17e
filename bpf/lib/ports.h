// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Ports for connections that cannot have the one they came with. In network order. */
#pragma once

#include "lib/common.h"

/* The first that any process may have: servers may take what comes from one below for an administrator's. */
#define PORT_UNPRIVILEGED 1024

inline_always __be16 port_within(__u32 hash, __u32 low, __u32 high)
{
	return bpf_htons((low + ((__u64)hash * (high - low + 1) >> 32)) & 0xffff);
}

/* For a client that keeps its address: privileged where its own is. */
inline_always __be16 port_like(__u32 hash, __be16 original)
{
	if (bpf_ntohs(original) < PORT_UNPRIVILEGED)
		return port_within(hash, 1, PORT_UNPRIVILEGED - 1);
	return port_within(hash, PORT_UNPRIVILEGED, 65535);
}
