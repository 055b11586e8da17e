#include "addon.h"

#include <dirent.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <sys/socket.h>

#ifndef NETLINK_GET_STRICT_CHK
#define NETLINK_GET_STRICT_CHK 12
#endif

static bool option(int fd, int level, int name, int *value)
{
	socklen_t size = sizeof(*value);

	return getsockopt(fd, level, name, value, &size) == 0;
}

/* A socket of the protocol bound to `port` that has not been tuned. The same port may be in use in another namespace. */
static bool is_new_socket(int fd, uint32_t port, int wanted)
{
	struct sockaddr_nl address = { 0 };
	socklen_t length = sizeof(address);
	int protocol, tuned;

	return getsockname(fd, (struct sockaddr *)&address, &length) == 0 && address.nl_family == AF_NETLINK &&
	       address.nl_pid == port && option(fd, SOL_SOCKET, SO_PROTOCOL, &protocol) && protocol == wanted &&
	       option(fd, SOL_NETLINK, NETLINK_EXT_ACK, &tuned) && !tuned;
}

static int find_new_socket(uint32_t port, int protocol)
{
	DIR *folder = opendir("/proc/self/fd");
	struct dirent *entry;
	int found = -1;

	if (!folder)
		return -1;
	errno = ENOENT;
	while (found < 0 && (entry = readdir(folder)))
		if (entry->d_name[0] != '.' && is_new_socket(atoi(entry->d_name), port, protocol))
			found = atoi(entry->d_name);
	if (found < 0)
		errno = ENOENT;
	closedir(folder);
	return found;
}

/*
 * Has the kernel answer once, and reads that with a large buffer: the size of the largest read is what it packs dumps
 * by from then on. Eight times fewer parts, which are eight times less likely to be interrupted by a change.
 */
static void enlarge_dumps(int fd)
{
	const struct nlmsghdr noop = { .nlmsg_len = sizeof(noop), .nlmsg_type = NLMSG_NOOP, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK };
	static _Thread_local char answer[32768];

	if (send(fd, &noop, sizeof(noop), 0) == sizeof(noop))
		recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
}

static int tune(int fd, int receive_buffer)
{
	static const int options[] = { NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK, NETLINK_NO_ENOBUFS, NETLINK_EXT_ACK };
	const int on = 1;

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (setsockopt(fd, SOL_NETLINK, options[i], &on, sizeof(on)))
			return -1;
	/* FORCE passes net.core.rmem_max, and needs CAP_NET_ADMIN; a reader without it keeps what it is allowed. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer, sizeof(receive_buffer)))
		return setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
	return 0;
}

/*
 * tuneNetlink(protocol, port, receiveBufferBytes): the descriptor. The npm package `netlink` keeps its descriptor to itself, so
 * the socket is found among this process's descriptors by the port it is bound to. Called right after its creation.
 */
napi_value tune_netlink(napi_env env, napi_callback_info info)
{
	int32_t protocol, port, receive_buffer;
	napi_value args[3], result;
	int fd;

	if (!arguments(env, info, 3, args) || !int_argument(env, args[0], &protocol) || !int_argument(env, args[1], &port) ||
	    !int_argument(env, args[2], &receive_buffer))
		return NULL;
	fd = find_new_socket((uint32_t)port, protocol);
	if (fd < 0)
		return throw_errno(env, "find the socket", errno);
	if (tune(fd, receive_buffer))
		return throw_errno(env, "setsockopt", errno);
	enlarge_dumps(fd);
	napi_create_int32(env, fd, &result);
	return result;
}

/* netlinkDrops(fd): messages that found the socket's buffer full since it was opened. */
napi_value netlink_drops(napi_env env, napi_callback_info info)
{
	uint32_t memory[SK_MEMINFO_VARS] = { 0 };
	socklen_t size = sizeof(memory);
	napi_value args[1], result;
	int32_t fd;

	if (!arguments(env, info, 1, args) || !int_argument(env, args[0], &fd))
		return NULL;
	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &size))
		return throw_errno(env, "getsockopt", errno);
	napi_create_uint32(env, memory[SK_MEMINFO_DROPS], &result);
	return result;
}
