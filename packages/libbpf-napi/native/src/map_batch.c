// Many entries per call: batches where the kernel has them for the map type, entry by entry where not.
#include "addon.h"
#include <bpf/bpf.h>

#define ENOTSUPP 524 // linux/errno.h: what the kernel says when a map type has no batch operations

static napi_value js_map_keys(napi_env env, napi_callback_info info)
{
	napi_value argv[3];
	struct fd_handle *map;
	void *after, *keys;
	size_t after_size, size;
	size_t count = 0;

	if (!get_args(env, info, 3, argv) || !(map = handle_get(env, argv[0], &MAP_TAG)) || !get_optional_bytes(env, argv[1], &after, &after_size) ||
	    !get_bytes(env, argv[2], &keys, &size))
		return NULL;
	if (!require(env, map->key_size > 0 && (!after || after_size >= map->key_size), "libbpf-napi: key too short"))
		return NULL;
	while ((count + 1) * map->key_size <= size) {
		void *next = (char *)keys + count * map->key_size;
		int status = bpf_map_get_next_key(map->fd, after, next);

		if (status < 0)
			return make_int(env, status == -ENOENT ? (int64_t)count : status);
		after = next;
		count++;
	}
	return make_int(env, count);
}

// A Uint32Array of one: entries wanted, then entries done
static bool get_count(napi_env env, napi_value value, uint32_t **count)
{
	size_t size;

	return get_bytes(env, value, (void **)count, &size) && require(env, size >= 4, "libbpf-napi: count needs four bytes");
}

static bool room(napi_env env, size_t size, uint32_t count, uint32_t each)
{
	return require(env, size / (each ? each : 1) >= count || each == 0, "libbpf-napi: buffer too short for the count");
}

static napi_value js_lookup_batch(napi_env env, napi_callback_info info)
{
	napi_value argv[6];
	struct fd_handle *map;
	void *after, *next, *keys, *values;
	size_t after_size, next_size, keys_size, values_size;
	uint32_t *count;

	if (!get_args(env, info, 6, argv) || !(map = handle_get(env, argv[0], &MAP_TAG)) || !get_optional_bytes(env, argv[1], &after, &after_size) ||
	    !get_bytes(env, argv[2], &next, &next_size) || !get_bytes(env, argv[3], &keys, &keys_size) || !get_bytes(env, argv[4], &values, &values_size) ||
	    !get_count(env, argv[5], &count))
		return NULL;
	// A cursor is a bucket number of four bytes, or a key.
	if (!require(env, next_size >= 4 && next_size >= map->key_size && (!after || after_size >= next_size), "libbpf-napi: cursor too short") ||
	    !room(env, keys_size, *count, map->key_size) || !room(env, values_size, *count, map->value_size))
		return NULL;
	return make_int(env, bpf_map_lookup_batch(map->fd, after, next, keys, values, count, NULL));
}

static int update_each(const struct fd_handle *map, const char *keys, const char *values, uint32_t *count, uint64_t flags)
{
	uint32_t wanted = *count;

	for (*count = 0; *count < wanted; ++*count) {
		int status = bpf_map_update_elem(map->fd, keys + (size_t)*count * map->key_size, values + (size_t)*count * map->value_size, flags);

		if (status < 0)
			return status;
	}
	return 0;
}

static napi_value js_update_batch(napi_env env, napi_callback_info info)
{
	napi_value argv[5];
	struct fd_handle *map;
	void *keys, *values;
	size_t keys_size, values_size;
	uint32_t flags, *count, wanted;
	int status;

	if (!get_args(env, info, 5, argv) || !(map = handle_get(env, argv[0], &MAP_TAG)) || !get_bytes(env, argv[1], &keys, &keys_size) ||
	    !get_bytes(env, argv[2], &values, &values_size) || !get_u32(env, argv[3], &flags) || !get_count(env, argv[4], &count))
		return NULL;
	if (!room(env, keys_size, *count, map->key_size) || !room(env, values_size, *count, map->value_size))
		return NULL;
	LIBBPF_OPTS(bpf_map_batch_opts, opts, .elem_flags = flags);
	wanted = *count;
	// The kernel refuses the flags noexist and exist in batches.
	status = flags ? -ENOTSUPP : bpf_map_update_batch(map->fd, keys, values, count, &opts);
	if (status == -ENOTSUPP || status == -EOPNOTSUPP) {
		*count = wanted;
		status = update_each(map, keys, values, count, flags);
	} else if (status == -EFAULT || status == -EINVAL || status == -EPERM) {
		*count = 0; // refused before it began: the kernel left the count alone
	}
	return make_int(env, status);
}

static int delete_each(const struct fd_handle *map, const char *keys, uint32_t wanted, uint32_t *deleted)
{
	for (uint32_t i = 0; i < wanted; i++) {
		int status = bpf_map_delete_elem(map->fd, keys + (size_t)i * map->key_size);

		if (status < 0 && status != -ENOENT)
			return status;
		*deleted += status == 0;
	}
	return 0;
}

// The kernel stops at the first key that does not exist; that one is passed over.
static int delete_all(const struct fd_handle *map, const char *keys, uint32_t wanted, uint32_t *deleted)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	uint32_t at = 0;

	*deleted = 0;
	while (at < wanted) {
		uint32_t count = wanted - at;
		int status = bpf_map_delete_batch(map->fd, keys + (size_t)at * map->key_size, &count, &opts);

		if (status == -ENOTSUPP || status == -EOPNOTSUPP)
			return delete_each(map, keys + (size_t)at * map->key_size, wanted - at, deleted);
		if (status < 0 && status != -ENOENT)
			return status;
		if (count > wanted - at)
			count = wanted - at;
		*deleted += count;
		at += count + (status == -ENOENT);
	}
	return 0;
}

static napi_value js_delete_batch(napi_env env, napi_callback_info info)
{
	napi_value argv[3];
	struct fd_handle *map;
	void *keys;
	size_t size;
	uint32_t *count;

	if (!get_args(env, info, 3, argv) || !(map = handle_get(env, argv[0], &MAP_TAG)) || !get_bytes(env, argv[1], &keys, &size) || !get_count(env, argv[2], &count))
		return NULL;
	if (!room(env, size, *count, map->key_size))
		return NULL;
	return make_int(env, delete_all(map, keys, *count, count));
}

void init_map_batch(napi_env env, napi_value exports)
{
	static const struct method methods[] = {
		{ "mapKeys", js_map_keys },
		{ "mapLookupBatch", js_lookup_batch },
		{ "mapUpdateBatch", js_update_batch },
		{ "mapDeleteBatch", js_delete_batch },
	};

	DEFINE_METHODS(env, exports, methods);
}
