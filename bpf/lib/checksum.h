// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* One's complement sums, changed by what changed in the packet (RFC 1624). */
#pragma once

#include "lib/common.h"

/* What changes in a sum when these bytes are replaced by those. */
inline_always __u64 sum_change4(const void *from, const void *to)
{
	return (__u64)~((const __u32 *)from)[3] + ((const __u32 *)to)[3];
}

inline_always __u64 sum_change16(const void *from, const void *to)
{
	__u64 sum = 0;

	sum += (__u64)~((const __u32 *)from)[0] + ((const __u32 *)to)[0];
	sum += (__u64)~((const __u32 *)from)[1] + ((const __u32 *)to)[1];
	sum += (__u64)~((const __u32 *)from)[2] + ((const __u32 *)to)[2];
	sum += (__u64)~((const __u32 *)from)[3] + ((const __u32 *)to)[3];
	return sum;
}

inline_always __u64 sum_change2(__u16 from, __u16 to)
{
	return (__u64)(__u16)~from + to;
}

inline_always __u32 sum_fold32(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (__u32)((sum & 0xffffffff) + (sum >> 32));
}

/* What a sum of 32 bits comes to. */
inline_always __u32 sum_wrap(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* What a sum of a few words comes to, halfway: at most 18 bits. */
inline_always __u32 sum_halve(__u64 sum)
{
	return (sum & 0xffff) + (sum >> 16);
}

inline_always __u32 sum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	return sum_wrap(sum_halve(sum));
}

/* A checksum as it stands in a header, after the change. */
inline_always __u16 checksum_changed(__u16 check, __u64 change)
{
	return ~sum_fold((__u16)~check + change);
}

/*
 * The same of TCP and UDP. Of the two zeros it gives the one that is not all zero, which in UDP would say that there is
 * no checksum, unless there was none.
 */
inline_always __u16 checksum_less(__u16 check, __u32 change)
{
	__u32 sum = check + (sum_wrap(change) ^ 0xffff);

	return (sum & 0xffff) + (sum >> 16);
}

/* The same of a change that is folded already, or the sum of a few of them. */
inline_always __u16 checksum_changed_by(__u16 check, __u32 change)
{
	return ~sum_wrap((__u16)~check + change);
}
