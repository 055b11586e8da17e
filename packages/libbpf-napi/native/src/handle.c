// Handles: externals with a type tag, linked into their environment's list so that its exit closes them.
#include "addon.h"
#include <stdio.h>
#include <unistd.h>

const napi_type_tag OBJECT_TAG = { 0x6c69626270660001, 0x4a7d1c52e0b94f01 };
const napi_type_tag MAP_TAG = { 0x6c69626270660002, 0x4a7d1c52e0b94f02 };
const napi_type_tag PROGRAM_TAG = { 0x6c69626270660003, 0x4a7d1c52e0b94f03 };
const napi_type_tag LINK_TAG = { 0x6c69626270660004, 0x4a7d1c52e0b94f04 };
const napi_type_tag RING_TAG = { 0x6c69626270660005, 0x4a7d1c52e0b94f05 };
const napi_type_tag STATISTICS_TAG = { 0x6c69626270660006, 0x4a7d1c52e0b94f06 };

void *handle_new(napi_env env, size_t size, void (*release)(struct handle *))
{
	struct handle *handle = calloc(1, size);

	if (!handle) {
		napi_throw_error(env, NULL, "libbpf-napi: out of memory");
		return NULL;
	}
	handle->release = release;
	return handle;
}

void handle_close(struct handle *handle)
{
	if (handle->closed)
		return;
	if (handle->busy) {
		handle->close_pending = true;
		return;
	}
	handle->closed = true;
	handle->release(handle);
}

void handle_done(struct handle *handle)
{
	handle->busy = false;
	if (handle->close_pending)
		handle_close(handle);
}

static void unlink_handle(struct handle *handle)
{
	if (handle->next)
		handle->next->previous = handle->previous;
	if (handle->previous)
		handle->previous->next = handle->next;
	else if (handle->addon)
		handle->addon->handles = handle->next;
}

static void finalize(napi_env env, void *data, void *hint)
{
	struct handle *handle = data;

	handle_close(handle);
	unlink_handle(handle);
	free(handle);
}

napi_value handle_wrap(napi_env env, struct handle *handle, const napi_type_tag *tag)
{
	struct addon *addon = addon_of(env);
	napi_value external;

	handle->addon = addon;
	handle->next = addon->handles;
	if (handle->next)
		handle->next->previous = handle;
	addon->handles = handle;
	if (napi_create_external(env, handle, finalize, NULL, &external) != napi_ok) {
		finalize(env, handle, NULL);
		napi_throw_error(env, NULL, "libbpf-napi: cannot create a handle");
		return NULL;
	}
	// From here on the garbage collector owns the handle.
	if (napi_type_tag_object(env, external, tag) != napi_ok) {
		handle_close(handle);
		napi_throw_error(env, NULL, "libbpf-napi: cannot tag a handle");
		return NULL;
	}
	return external;
}

void *handle_get(napi_env env, napi_value value, const napi_type_tag *tag)
{
	struct handle *handle = NULL;
	bool ours = false;

	if (napi_check_object_type_tag(env, value, tag, &ours) != napi_ok || !ours ||
	    napi_get_value_external(env, value, (void **)&handle) != napi_ok) {
		napi_throw_type_error(env, NULL, "libbpf-napi: not a handle of the expected kind");
		return NULL;
	}
	if (handle->closed || handle->close_pending) {
		napi_throw_error(env, "HANDLE_CLOSED", "libbpf-napi: the handle is closed");
		return NULL;
	}
	if (handle->busy) {
		napi_throw_error(env, "HANDLE_BUSY", "libbpf-napi: the handle is in use by another thread");
		return NULL;
	}
	return handle;
}

static void release_fd(struct handle *handle)
{
	close(((struct fd_handle *)handle)->fd);
}

static struct fd_handle *new_fd_handle(napi_env env, int fd)
{
	struct fd_handle *handle = handle_new(env, sizeof(*handle), release_fd);

	if (handle)
		handle->fd = fd;
	else
		close(fd);
	return handle;
}

// Takes ownership of `fd`, also on failure. A negative fd is an errno and is returned as such.
napi_value fd_handle_wrap(napi_env env, int fd, const napi_type_tag *tag)
{
	struct fd_handle *handle;

	if (fd < 0)
		return make_int(env, fd);
	handle = new_fd_handle(env, fd);
	return handle ? handle_wrap(env, &handle->base, tag) : NULL;
}

bool fd_is(int fd, const char *kind)
{
	char path[64], target[64];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		return errno == ENOENT; // no /proc: take the caller's word
	target[length] = 0;
	return strcmp(target, kind) == 0;
}

struct fd_handle *fd_handle_get(napi_env env, napi_value value)
{
	static const napi_type_tag *const tags[] = { &MAP_TAG, &PROGRAM_TAG, &LINK_TAG };
	bool ours = false;

	for (size_t i = 0; i < 2; i++) {
		if (napi_check_object_type_tag(env, value, tags[i], &ours) != napi_ok)
			break;
		if (ours)
			return handle_get(env, value, tags[i]);
	}
	return handle_get(env, value, tags[2]);
}
