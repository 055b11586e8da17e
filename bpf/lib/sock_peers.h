// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What sockets were told to reach, and what they reach instead: to translate the peer back (recvmsg, getpeername), and
 * for user space to find the sockets of a backend that has ended.
 */
#pragma once

#include "lib/select.h"

#define MAX_SOCKETS 131072

/*
 * A socket's main peer is found by the cookie alone, all else 0: that it was connected to, or the first that it sent to.
 * Others (one socket that sends to several services) are found by cookie and backend. So a socket that never met a
 * service costs one look-up, and the end of a socket frees the entry without knowing more of it: those of sockets that
 * live are not pushed out by those of sockets that are gone.
 */
struct socket_key {
	__u64 cookie;
	__u8 backend[ADDRESS_SIZE];
	__be16 port;
	__u16 reserved0;
	__u32 reserved1;
};

struct socket_peer {
	__u8 backend[ADDRESS_SIZE];
	__u8 address[ADDRESS_SIZE]; /* what the socket was told to reach; the backend itself: not a service */
	__u64 netns; /* cookie of the socket's network namespace */
	__be16 backend_port;
	__be16 port;
	__u8 protocol;
	__u8 others; /* 1: this socket has entries by backend as well */
	__u8 connected; /* 1: the socket was connected to it, by connect(2) */
	__u8 reserved;
	__u32 service; /* id */
	__u32 index; /* of the backend */
	__u32 generation;
	__u32 service_generation;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_SOCKETS);
	__type(key, struct socket_key);
	__type(value, struct socket_peer);
} cilium_sockets SEC(".maps");

inline_always void words_copy(void *to, const void *from)
{
	((__u32 *)to)[0] = ((const __u32 *)from)[0];
	((__u32 *)to)[1] = ((const __u32 *)from)[1];
	((__u32 *)to)[2] = ((const __u32 *)from)[2];
	((__u32 *)to)[3] = ((const __u32 *)from)[3];
}

inline_always void socket_key_main(struct socket_key *key, __u64 cookie)
{
	key->cookie = cookie;
	halves(key->backend)[0] = 0;
	halves(key->backend)[1] = 0;
	((__u64 *)key)[3] = 0;
}

inline_always void socket_key_backend(struct socket_key *key, const void *backend, __be16 port)
{
	words_copy(key->backend, backend);
	key->port = port;
}

inline_always int peer_is_backend(struct socket_peer *peer, const void *address, __be16 port)
{
	return peer->backend_port == port && address_equal(peer->backend, address);
}

inline_always int peer_leads_from(struct socket_peer *peer, const void *address, __be16 port)
{
	return peer->port == port && address_equal(peer->address, address);
}

/* What is known of this socket and this backend, or 0. The key is left as that of the entry. */
inline_always struct socket_peer *peer_find(struct socket_key *key, __u64 cookie, const void *backend, __be16 port)
{
	struct socket_peer *peer;

	socket_key_main(key, cookie);
	peer = bpf_map_lookup_elem(&cilium_sockets, key);
	if (!peer || peer_is_backend(peer, backend, port))
		return peer;
	if (!peer->others)
		return 0;
	socket_key_backend(key, backend, port);
	return bpf_map_lookup_elem(&cilium_sockets, key);
}

/* Whether an entry says what `wanted` does, so that nothing needs to be written. A connected socket may also send. */
inline_always int peer_same(struct socket_peer *known, struct socket_peer *wanted)
{
	return known->index == wanted->index && known->generation == wanted->generation &&
	       known->service == wanted->service && known->connected >= wanted->connected &&
	       peer_is_backend(known, wanted->backend, wanted->backend_port) &&
	       peer_leads_from(known, wanted->address, wanted->port);
}

/*
 * Keeps what a socket was told to reach. `main` is its main entry, which is taken where there is none, where it is of the
 * same backend or of one that has ended, or, by a socket that connects, in any case.
 */
inline_always void peer_remember(struct socket_key *key, __u64 cookie, struct socket_peer *main,
				 struct socket_peer *peer, int connects)
{
	socket_key_main(key, cookie);
	if (main) {
		if (!connects && !peer_is_backend(main, peer->backend, peer->backend_port) &&
		    backend_if(main->index, main->generation)) {
			struct socket_peer *other;

			main->others = 1;
			socket_key_backend(key, peer->backend, peer->backend_port);
			other = bpf_map_lookup_elem(&cilium_sockets, key);
			if (other && peer_same(other, peer))
				return;
		} else {
			peer->others = main->others;
		}
	}
	bpf_map_update_elem(&cilium_sockets, key, peer, BPF_ANY);
}

/*
 * The socket reaches for this address itself, and not by way of a service: were it the backend of one that it also
 * uses, its answers would be taken for the service's. `room` is for the new entry.
 */
inline_always void peer_forget(struct socket_key *key, __u64 cookie, const void *address, __be16 port,
			       struct socket_peer *room)
{
	struct socket_peer *peer = peer_find(key, cookie, address, port);

	if (!peer || peer_leads_from(peer, address, port))
		return;
	*room = *peer;
	words_copy(room->address, address);
	room->port = port;
	room->service = 0;
	room->index = 0;
	room->generation = 0;
	bpf_map_update_elem(&cilium_sockets, key, room, BPF_ANY);
}
