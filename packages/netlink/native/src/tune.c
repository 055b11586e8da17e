#include "addon.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <dirent.h>

#ifndef NETLINK_GET_STRICT_CHK
#define NETLINK_GET_STRICT_CHK 12
#endif

static bool is_route_socket(int fd, uint32_t port)
{
	struct sockaddr_nl address = { 0 };
	socklen_t length = sizeof(address);
	int protocol;
	socklen_t size = sizeof(protocol);

	return getsockname(fd, (struct sockaddr *)&address, &length) == 0 && address.nl_family == AF_NETLINK &&
	       address.nl_pid == port && getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
	       protocol == NETLINK_ROUTE;
}

static int tune(int fd, int receive_buffer)
{
	const int on = 1;

	if (setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on)))
		return -1;
	/* FORCE passes net.core.rmem_max, and needs CAP_NET_ADMIN; a reader without it keeps what it is allowed. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer, sizeof(receive_buffer)))
		return setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
	return 0;
}

/*
 * tuneNetlink(port, receiveBufferBytes): number of sockets tuned. The npm package `netlink` keeps its descriptor to
 * itself, so the socket is found among this process's descriptors by the port it is bound to.
 */
napi_value tune_netlink(napi_env env, napi_callback_info info)
{
	int32_t port, receive_buffer, tuned = 0;
	napi_value args[2], result;
	struct dirent *entry;
	int error = 0;
	DIR *folder;

	if (!arguments(env, info, 2, args) || !int_argument(env, args[0], &port) ||
	    !int_argument(env, args[1], &receive_buffer))
		return NULL;
	folder = opendir("/proc/self/fd");
	if (!folder)
		return throw_errno(env, "opendir /proc/self/fd", errno);
	while (!error && (entry = readdir(folder))) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] == '.' || !is_route_socket(fd, (uint32_t)port))
			continue;
		if (tune(fd, receive_buffer))
			error = errno;
		tuned++;
	}
	closedir(folder);
	if (error)
		return throw_errno(env, "setsockopt", error);
	napi_create_int32(env, tuned, &result);
	return result;
}
