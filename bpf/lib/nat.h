// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Source and destination translation on the node's devices. Knows nothing of contexts or packets: tc and XDP programs
 * fill struct nat_work from theirs, and rewrite what it finds.
 *
 * A translated connection has two entries, one for each direction, each under the tuple of that direction's packets as
 * they come in and complete for itself. The reply entry's key is what makes a connection unique: it holds the address
 * and port chosen here, and it is inserted first and only where there is none.
 */
#pragma once

#include "lib/common.h"
#include "lib/config.h"
#include "lib/ticks.h"

#define MAX_NAT 131072
#define NAT_PORT_WORDS 1024
/* How many ports are tried for one connection: the first ones in the range of its own, the last in the wide one. */
#define NAT_TRIES 32
#define NAT_TRIES_NARROW 24
/* Ticks by which the reply entry of a connection outlives the original one before its port is given to another. */
#define NAT_MARGIN 64

#define NAT_TCP 6
#define NAT_SCTP 132
#define NAT_FLAG_FIN 0x01
#define NAT_FLAG_SYN 0x02
#define NAT_FLAG_RST 0x04

CONFIG(__u32, nat_seed, 0, "secret from which the ports of translated connections are derived");
CONFIG(__u16, nat_port_min, 61000, "first port given to translated connections; the default range is what Linux does not give to the host's own sockets");
CONFIG(__u16, nat_port_max, 65535, "last port given to translated connections");
CONFIG(__u16, nat_port_wide_min, 32768, "first port given to translated connections whose destination has used up the range above");
CONFIG(__u8, dsr_ipip, 0, "1: packets of services in DSR mode travel to remote backends within another IP packet (IPIP); 0: as what they are, with an option");

/*
 * The tuple of a packet as it comes in, ports as they lie in it. ICMP: the requester's is the identifier, the
 * responder's 0, kind as in struct flow_key, role that of the packet's source (enum icmp_role).
 */
struct nat_key {
	__u8 source[ADDRESS_SIZE];
	__u8 destination[ADDRESS_SIZE];
	__be16 source_port;
	__be16 destination_port;
	__u8 protocol;
	__u8 kind;
	__u16 role;
};

enum nat_flag {
	NAT_REPLY = 1, /* the direction that answers */
	NAT_SERVICE = 2, /* to a service: backend and its generation are meaningful */
	NAT_ALLOCATED = 4, /* source address, and port or ICMP identifier, are of this node's choice */
	NAT_ALONE = 8, /* the other direction does not come by here, or is recorded elsewhere */
	NAT_LEAVES = 16, /* what comes in from outside goes out again */
	NAT_DSR = 32, /* original direction: the frontend travels with the first packets */
	NAT_IPIP = 64, /* with NAT_DSR: it goes to the backend as it is, within another packet, and nothing travels with it */
};

enum nat_state {
	NAT_FIN_ORIGINAL = 1,
	NAT_FIN_REPLY = 2,
	NAT_RESET = 4,
	NAT_CONFIRMED = 8, /* TCP: a segment without SYN was seen */
	NAT_TAKEN = 16, /* of a reply entry: it was idle, and its port is being given to another connection */
};

/* What the packet becomes. 64 bytes: one cache line. */
struct nat_entry {
	__u8 source[ADDRESS_SIZE];
	__u8 destination[ADDRESS_SIZE];
	__be16 source_port;
	__be16 destination_port;
	__u16 service; /* id */
	__u16 flags; /* enum nat_flag */
	__u32 backend; /* index */
	__u32 generation; /* of the backend */
	__u32 last_seen; /* as flow.last_seen; with state, one word that is compared and swapped */
	__u32 state; /* enum nat_state */
	__u32 reserved[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_NAT);
	__type(key, struct nat_key);
	__type(value, struct nat_entry);
} cilium_nat SEC(".maps");

/*
 * One bit per port, by its number as it lies in a packet: set, and a translated connection may have it at an address of
 * this node. Clear, and no packet from or to that port of the node needs a look-up. Only ever set.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NAT_PORT_WORDS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} cilium_nat_ports SEC(".maps");

/* How many connections found a port at the n-th try; the last counts those that found none. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NAT_TRIES + 1);
	__type(key, __u32);
	__type(value, __u64);
} cilium_nat_tries SEC(".maps");

/* The packet in hand, and what is being written for it. */
struct nat_work {
	struct nat_key key;
	struct nat_key partner_key;
	struct nat_entry entry; /* what `key` becomes */
	struct nat_entry partner;
	__u32 now; /* ticks */
	__u32 tcp_flags; /* 0 where the packet has none, or where they are not known */
	__u32 closes; /* SCTP: the packet is an association's last */
	__u32 goes_on; /* SCTP: it is neither its last nor its first */
	__u32 replace; /* the entry under `key` is to be overwritten */
	__u32 lost; /* bpf_netdev, on the way in: the connection's backend has gone, and `past` was its entry */
	struct nat_entry past;
};

/* One is enough, as for struct packet: no other packet is looked at on this CPU until the program returns. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nat_work);
} nat_state SEC(".maps");

inline_always struct nat_work *nat_scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&nat_state, &zero);
}

inline_always int nat_port_marked(__be16 port)
{
	__u32 index = port >> 6;
	__u64 *bits = bpf_map_lookup_elem(&cilium_nat_ports, &index);

	return bits && (*(volatile __u64 *)bits >> (port & 63) & 1);
}

inline_always void nat_port_mark(__be16 port)
{
	__u32 index = port >> 6;
	__u64 *bits = bpf_map_lookup_elem(&cilium_nat_ports, &index);

	if (bits && !(*(volatile __u64 *)bits >> (port & 63) & 1))
		__sync_fetch_and_or(bits, 1ull << (port & 63));
}

inline_always int nat_is_closing(__u32 state)
{
	return (state & NAT_RESET) || (state & (NAT_FIN_ORIGINAL | NAT_FIN_REPLY)) == (NAT_FIN_ORIGINAL | NAT_FIN_REPLY);
}

inline_always __u32 nat_timeout(__u32 protocol, __u32 state)
{
	if (nat_is_closing(state))
		return timeout_ticks(config_timeout_tcp_fin);
	if (protocol != NAT_TCP)
		return timeout_ticks(config_timeout_any);
	return timeout_ticks(state & NAT_CONFIRMED ? config_timeout_tcp : config_timeout_tcp_syn);
}

/*
 * For how long the connection's own packets find it. Who it is that reset a connection nobody can tell without sequence
 * numbers: its port may be given to another after nat_timeout() then, but while that has not happened, who goes on is
 * let on.
 */
inline_always __u32 nat_lifetime(__u32 protocol, __u32 state)
{
	return nat_timeout(protocol, state & ~NAT_RESET);
}

/* The entry under work->key that is not forgotten yet, or 0. */
inline_always struct nat_entry *nat_find(struct nat_work *work)
{
	struct nat_entry *entry = bpf_map_lookup_elem(&cilium_nat, &work->key);
	__s32 age;

	work->replace = 0;
	if (!entry)
		return 0;
	age = work->now - entry->last_seen;
	if (age <= (__s32)nat_lifetime(work->key.protocol, entry->state))
		return entry;
	work->replace = 1;
	return 0;
}

/* What this packet adds to the state of its connection. */
inline_always __u32 nat_bits(struct nat_work *work, __u32 flags)
{
	__u32 bits = 0;

	if (work->key.protocol == NAT_TCP) {
		if (!work->tcp_flags)
			return 0;
		if (!(work->tcp_flags & NAT_FLAG_SYN))
			bits |= NAT_CONFIRMED;
		if (work->tcp_flags & NAT_FLAG_FIN)
			bits |= flags & NAT_REPLY ? NAT_FIN_REPLY : NAT_FIN_ORIGINAL;
		if (work->tcp_flags & NAT_FLAG_RST)
			bits |= NAT_RESET;
	} else if (work->closes) {
		bits |= NAT_RESET;
	}
	return bits;
}

/*
 * What this packet takes back of the state of its connection: one that was reset has no packets any more, but those on
 * their way, which are answered by another reset.
 */
inline_always __u32 nat_denies(struct nat_work *work)
{
	if (work->key.protocol == NAT_TCP)
		return work->tcp_flags && !(work->tcp_flags & (NAT_FLAG_SYN | NAT_FLAG_FIN | NAT_FLAG_RST)) ? NAT_RESET : 0;
	return work->goes_on ? NAT_RESET : 0;
}

/* The tuple of the packets that answer those of `entry`, found under work->key, and what these become. */
inline_always void nat_partner(struct nat_work *work, struct nat_entry *entry)
{
	struct nat_key *key = &work->partner_key;
	struct nat_entry *partner = &work->partner;

	address_copy(key->source, entry->destination);
	address_copy(key->destination, entry->source);
	key->source_port = entry->destination_port;
	key->destination_port = entry->source_port;
	key->protocol = work->key.protocol;
	key->kind = work->key.kind;
	key->role = work->key.role ? 3 - work->key.role : 0;
	address_copy(partner->source, work->key.destination);
	address_copy(partner->destination, work->key.source);
	partner->source_port = work->key.destination_port;
	partner->destination_port = work->key.source_port;
	partner->service = entry->service;
	partner->flags = entry->flags ^ NAT_REPLY;
	partner->backend = entry->backend;
	partner->generation = entry->generation;
	partner->last_seen = work->now;
	partner->state = entry->state;
	partner->reserved[0] = 0;
	partner->reserved[1] = 0;
}

/* Whether an entry under work->partner_key is that of this connection. */
inline_always int nat_is_partner(struct nat_work *work, struct nat_entry *entry)
{
	return address_equal(entry->source, work->partner.source) &&
	       address_equal(entry->destination, work->partner.destination) &&
	       entry->source_port == work->partner.source_port &&
	       entry->destination_port == work->partner.destination_port;
}

/* Linux 6.1 calls the map's own function, which returns an int. */
inline_always int nat_write(struct nat_key *key, struct nat_entry *entry, __u64 how)
{
	return (int)bpf_map_update_elem(&cilium_nat, key, entry, how);
}

inline_always void nat_state_change(struct nat_entry *entry, __u32 bits, __u32 denied)
{
	if (entry->state & denied)
		__sync_fetch_and_and(&entry->state, ~denied);
	if ((entry->state & bits) != bits)
		__sync_fetch_and_or(&entry->state, bits);
}

/*
 * Keeps an idle connection's port, which any CPU may be about to give to another: 1; 0: that has happened. The one who
 * takes it does so by a compare-and-swap of the same word; another packet of this connection may have been first, too.
 */
inline_always int nat_keep(struct nat_entry *reply, __u32 now)
{
	__u64 *stamp = (__u64 *)&reply->last_seen;
	__u64 old = *(volatile __u64 *)stamp;

	if (old >> 32 & NAT_TAKEN)
		return 0;
	old = __sync_val_compare_and_swap(stamp, old, now | (old >> 32 << 32));
	return !(old >> 32 & NAT_TAKEN);
}

/*
 * Notes the packet in hand in both entries of its connection; the other one is made again where it was evicted. 1 if
 * there is another connection in its place, in which case the entry under work->key is removed.
 *
 * The reply entry is always the younger one (seen first here, given away NAT_MARGIN later), and the one that learns last
 * of an end: a port is never free while the original direction still takes it for its own.
 */
__attribute__((noinline)) int nat_mirror(__u32 bits, __u32 denied)
{
	struct nat_work *work = nat_scratch();
	struct nat_entry *entry, *partner, *original, *reply;
	int idle;

	if (!work)
		return 0;
	entry = bpf_map_lookup_elem(&cilium_nat, &work->key);
	if (!entry)
		return 0;
	if (entry->flags & NAT_ALONE) {
		entry->last_seen = work->now;
		nat_state_change(entry, bits, denied);
		return 0;
	}
	idle = work->now - entry->last_seen > nat_timeout(work->key.protocol, entry->state);
	nat_partner(work, entry);
	partner = bpf_map_lookup_elem(&cilium_nat, &work->partner_key);
	if (!partner) {
		work->partner.state = (work->partner.state & ~denied) | bits;
		nat_write(&work->partner_key, &work->partner, BPF_NOEXIST);
		partner = bpf_map_lookup_elem(&cilium_nat, &work->partner_key);
	}
	if (!partner)
		return 0;
	if (entry->flags & NAT_REPLY) {
		reply = entry;
		original = partner;
	} else {
		reply = partner;
		original = entry;
	}
	if (!nat_is_partner(work, partner) || (reply->state & NAT_TAKEN) || (idle && !nat_keep(reply, work->now))) {
		bpf_map_delete_elem(&cilium_nat, &work->key);
		work->replace = 0;
		return 1;
	}
	reply->last_seen = work->now;
	original->last_seen = work->now;
	nat_state_change(original, bits, denied);
	nat_state_change(reply, bits, denied);
	return 0;
}

/* For each packet of an entry found. Most change nothing. 1: the entry was another connection's; there is none. */
inline_always int nat_touch(struct nat_work *work, struct nat_entry *entry)
{
	__u32 bits = nat_bits(work, entry->flags), denied = nat_denies(work);
	__s32 age = work->now - entry->last_seen;

	if (age <= 0 && (entry->state & (bits | denied | NAT_TAKEN)) == bits)
		return 0;
	return nat_mirror(bits, denied);
}

/*
 * Ends the connection of work->key, the original direction: its backend is gone, or a new one begins in its place. An
 * answer that is on its way is still translated: the reply entry goes on alone, and gives way as one that has ended.
 */
__attribute__((noinline)) int nat_forget(void)
{
	struct nat_work *work = nat_scratch();
	struct nat_entry *entry, *partner;

	if (!work)
		return 0;
	work->replace = 0;
	entry = bpf_map_lookup_elem(&cilium_nat, &work->key);
	if (!entry)
		return 0;
	nat_partner(work, entry);
	if (!(work->partner.flags & NAT_ALONE)) {
		partner = bpf_map_lookup_elem(&cilium_nat, &work->partner_key);
		if (partner && nat_is_partner(work, partner)) {
			partner->flags |= NAT_ALONE;
			if (work->key.protocol == NAT_TCP)
				nat_state_change(partner, NAT_FIN_ORIGINAL | NAT_FIN_REPLY, 0);
		}
	}
	bpf_map_delete_elem(&cilium_nat, &work->key);
	return 0;
}
