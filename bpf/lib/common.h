// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What every file needs: kernel types, helpers, and the forms in which numbers and addresses are kept. */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define inline_always static inline __attribute__((always_inline))
/* What packets of established flows meet lies in one piece of code, all else apart from it: front ends are narrow. */
#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)
/* Of bytes that are read and written by eight. */
#define aligned_8 __attribute__((aligned(8)))
#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/*
 * An address is 16 bytes everywhere, IPv4 as ::ffff:a.b.c.d. It is read and compared as two u64 in memory order; for
 * IPv4 the first is 0 and the second holds ffff and the address.
 */
#define ADDRESS_SIZE 16

inline_always __u64 *halves(void *address)
{
	return (__u64 *)address;
}

inline_always __u32 *words(void *address)
{
	return (__u32 *)address;
}

inline_always void address_copy(void *to, const void *from)
{
	((__u64 *)to)[0] = ((const __u64 *)from)[0];
	((__u64 *)to)[1] = ((const __u64 *)from)[1];
}

inline_always int address_equal(const void *a, const void *b)
{
	return ((const __u64 *)a)[0] == ((const __u64 *)b)[0] && ((const __u64 *)a)[1] == ((const __u64 *)b)[1];
}

/* The second half of the 16-byte form of an IPv4 address (network byte order in, memory order out). */
inline_always __u64 mapped_half(__be32 address)
{
	return ((__u64)address << 32) | bpf_htonl(0x0000ffff);
}

inline_always int is_mapped(const void *address)
{
	return ((const __u64 *)address)[0] == 0 && (__u32)((const __u64 *)address)[1] == bpf_htonl(0x0000ffff);
}
