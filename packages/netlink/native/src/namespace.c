#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Going on in the wrong namespace would configure, or attach programs to, somebody else's devices. */
static void __attribute__((noreturn)) die_abroad(int error)
{
	fprintf(stderr, "@cilium-ts/netlink: cannot return to the original network namespace: %s; aborting\n", strerror(error));
	abort();
}

/*
 * runInNamespace(fd, fn): fn's result. Enters and leaves on the calling thread within this one call, so nothing that
 * is awaited can ever run abroad. An exception of fn's stays pending and surfaces after the return home.
 */
napi_value run_in_namespace(napi_env env, napi_callback_info info)
{
	napi_value args[2], global, result = NULL;
	napi_status status;
	int32_t fd;
	int home;

	if (!arguments(env, info, 2, args) || !int_argument(env, args[0], &fd))
		return NULL;
	home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0)
		return throw_errno(env, "open /proc/thread-self/ns/net", errno);
	if (setns(fd, CLONE_NEWNET)) {
		int error = errno;

		close(home);
		return throw_errno(env, "setns", error);
	}
	napi_get_global(env, &global);
	status = napi_call_function(env, global, args[1], 0, NULL, &result);
	if (setns(home, CLONE_NEWNET))
		die_abroad(errno);
	close(home);
	if (status == napi_function_expected)
		napi_throw_type_error(env, NULL, "expected a function");
	return status == napi_ok ? result : NULL;
}

/* isNetworkNamespace(fd) */
napi_value is_network_namespace(napi_env env, napi_callback_info info)
{
	napi_value args[1], result;
	int32_t fd;

	if (!arguments(env, info, 1, args) || !int_argument(env, args[0], &fd))
		return NULL;
	napi_get_boolean(env, ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET, &result);
	return result;
}

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* namespaceCookie(): of the namespace that the calling thread is in. */
napi_value namespace_cookie(napi_env env, napi_callback_info info)
{
	uint64_t cookie = 0;
	socklen_t length = sizeof(cookie);
	napi_value none[1], result;
	int error = 0, fd;

	if (!arguments(env, info, 0, none))
		return NULL;
	/* any socket will do: a unix one needs no module and no address family of the network */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return throw_errno(env, "socket", errno);
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length))
		error = errno;
	close(fd);
	if (error)
		return throw_errno(env, "getsockopt", error);
	napi_create_bigint_uint64(env, cookie, &result);
	return result;
}

struct creation {
	const char *path;
	const char *syscall;
	int error;
};

static void *create_in_thread(void *argument)
{
	struct creation *creation = argument;
	char self[64];

	creation->syscall = "unshare";
	if (unshare(CLONE_NEWNET)) {
		creation->error = errno;
		return NULL;
	}
	snprintf(self, sizeof(self), "/proc/self/task/%ld/ns/net", (long)syscall(SYS_gettid));
	creation->syscall = "mount";
	if (mount(self, creation->path, NULL, MS_BIND, NULL))
		creation->error = errno;
	return NULL;
}

static char *path_argument(napi_env env, napi_value value)
{
	size_t length;
	char *path;

	if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok) {
		napi_throw_type_error(env, NULL, "expected a path");
		return NULL;
	}
	path = malloc(length + 1);
	if (path)
		napi_get_value_string_utf8(env, value, path, length + 1, &length);
	else
		throw_errno(env, "malloc", ENOMEM);
	return path;
}

/* createNamespace(path): a new network namespace, kept alive by a bind mount on a file that this call creates. */
napi_value create_namespace(napi_env env, napi_callback_info info)
{
	struct creation creation = { .syscall = "open" };
	napi_value args[1];
	pthread_t thread;
	char *path;
	int fd;

	if (!arguments(env, info, 1, args) || !(path = path_argument(env, args[0])))
		return NULL;
	creation.path = path;
	fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (fd < 0) {
		creation.error = errno;
	} else {
		close(fd);
		/* A thread of its own, so that the caller never leaves its namespace. */
		creation.error = pthread_create(&thread, NULL, create_in_thread, &creation);
		if (creation.error)
			creation.syscall = "pthread_create";
		else
			pthread_join(thread, NULL);
		if (creation.error)
			unlink(path);
	}
	free(path);
	return creation.error ? throw_errno(env, creation.syscall, creation.error) : undefined_value(env);
}

/* deleteNamespace(path): unmounts and unlinks. The namespace itself ends with its last process, socket or mount. */
napi_value delete_namespace(napi_env env, napi_callback_info info)
{
	const char *failed = NULL;
	napi_value args[1];
	int error = 0;
	char *path;

	if (!arguments(env, info, 1, args) || !(path = path_argument(env, args[0])))
		return NULL;
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) && errno != EINVAL) {
		error = errno;
		failed = "umount2";
	} else if (unlink(path)) {
		error = errno;
		failed = "unlink";
	}
	free(path);
	return error ? throw_errno(env, failed, error) : undefined_value(env);
}
