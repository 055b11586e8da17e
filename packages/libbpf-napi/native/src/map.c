// Maps: one system call per function. Buffers are checked against the map's sizes, which the kernel reads and writes.
#include "addon.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

static bool is_per_cpu(uint32_t type)
{
	return type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_LRU_PERCPU_HASH ||
	       type == BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE;
}

// Takes ownership of `fd`, also on failure. A negative fd is an errno and is returned as such.
napi_value map_handle_wrap(napi_env env, int fd)
{
	struct bpf_map_info map = { 0 };
	uint32_t size = sizeof(map);
	struct fd_handle *handle;
	napi_value external;

	if (fd < 0)
		return make_int(env, fd);
	// What is no map is refused here: another kind's information would be taken for sizes.
	if (!fd_is(fd, "anon_inode:bpf-map") || bpf_obj_get_info_by_fd(fd, &map, &size) < 0) {
		close(fd);
		return make_int(env, -EINVAL);
	}
	external = fd_handle_wrap(env, fd, &MAP_TAG);
	if (!external || !(handle = handle_get(env, external, &MAP_TAG)))
		return NULL;
	handle->key_size = map.key_size;
	handle->value_size = is_per_cpu(map.type) ? ((map.value_size + 7) & ~7u) * libbpf_num_possible_cpus() : map.value_size;
	return external;
}

static napi_value js_map_create(napi_env env, napi_callback_info info)
{
	napi_value argv[8];
	char name[BPF_OBJ_NAME_LEN];
	uint32_t type, key_size, value_size, entries, flags, node;
	struct fd_handle *inner = NULL;
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	int fd;

	if (!get_args(env, info, 8, argv) || !get_u32(env, argv[0], &type) || !get_string(env, argv[1], name, sizeof(name)) ||
	    !get_u32(env, argv[2], &key_size) || !get_u32(env, argv[3], &value_size) || !get_u32(env, argv[4], &entries) ||
	    !get_u32(env, argv[5], &flags) || !get_u32(env, argv[7], &node))
		return NULL;
	if (!is_undefined(env, argv[6]) && !(inner = handle_get(env, argv[6], &MAP_TAG)))
		return NULL;
	opts.map_flags = flags;
	opts.numa_node = node;
	opts.inner_map_fd = inner ? inner->fd : 0;
	log_begin(&addon_of(env)->log);
	fd = bpf_map_create(type, name, key_size, value_size, entries, &opts);
	log_end(fd < 0);
	return map_handle_wrap(env, fd);
}

static napi_value js_map_get_pinned(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
	char path[4096];

	if (!get_args(env, info, 1, argv) || !get_string(env, argv[0], path, sizeof(path)))
		return NULL;
	return map_handle_wrap(env, bpf_obj_get(path));
}

static napi_value js_map_by_id(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
	uint32_t id;

	if (!get_args(env, info, 1, argv) || !get_u32(env, argv[0], &id))
		return NULL;
	return map_handle_wrap(env, bpf_map_get_fd_by_id(id));
}

static napi_value js_map_dup(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
	struct fd_handle *map;
	int fd;

	if (!get_args(env, info, 1, argv) || !(map = handle_get(env, argv[0], &MAP_TAG)))
		return NULL;
	fd = fcntl(map->fd, F_DUPFD_CLOEXEC, 3);
	return map_handle_wrap(env, fd < 0 ? -errno : fd);
}

static napi_value js_map_info(napi_env env, napi_callback_info info)
{
	napi_value argv[1], item[11];
	struct bpf_map_info map = { 0 };
	uint32_t size = sizeof(map);
	struct fd_handle *handle;
	int status;

	if (!get_args(env, info, 1, argv) || !(handle = handle_get(env, argv[0], &MAP_TAG)))
		return NULL;
	status = bpf_obj_get_info_by_fd(handle->fd, &map, &size);
	if (status < 0)
		return make_int(env, status);
	item[0] = make_int(env, map.type);
	item[1] = make_int(env, map.key_size);
	item[2] = make_int(env, map.value_size);
	item[3] = make_int(env, map.max_entries);
	item[4] = make_int(env, map.map_flags);
	item[5] = make_string(env, map.name);
	item[6] = make_int(env, map.id);
	item[7] = make_int(env, map.ifindex);
	item[8] = make_int(env, map.btf_id);
	item[9] = make_int(env, map.btf_key_type_id);
	item[10] = make_int(env, map.btf_value_type_id);
	return make_array(env, item, 11);
}

// argv[0..1] → map and key; queues and stacks have keys of no size, passed to the kernel as NULL
static struct fd_handle *get_key(napi_env env, napi_value *argv, void **key)
{
	struct fd_handle *map = handle_get(env, argv[0], &MAP_TAG);
	size_t size;

	if (!map || !get_bytes(env, argv[1], key, &size) || !require(env, size >= map->key_size, "libbpf-napi: key too short"))
		return NULL;
	if (map->key_size == 0)
		*key = NULL;
	return map;
}

static bool get_value(napi_env env, napi_value argument, const struct fd_handle *map, void **value)
{
	size_t size;

	return get_bytes(env, argument, value, &size) && require(env, size >= map->value_size, "libbpf-napi: value too short");
}

static napi_value js_map_lookup(napi_env env, napi_callback_info info)
{
	napi_value argv[4];
	struct fd_handle *map;
	void *key, *value;
	uint32_t flags;

	if (!get_args(env, info, 4, argv) || !(map = get_key(env, argv, &key)) || !get_value(env, argv[2], map, &value) || !get_u32(env, argv[3], &flags))
		return NULL;
	return make_int(env, bpf_map_lookup_elem_flags(map->fd, key, value, flags));
}

static napi_value js_map_lookup_and_delete(napi_env env, napi_callback_info info)
{
	napi_value argv[3];
	struct fd_handle *map;
	void *key, *value;

	if (!get_args(env, info, 3, argv) || !(map = get_key(env, argv, &key)) || !get_value(env, argv[2], map, &value))
		return NULL;
	return make_int(env, bpf_map_lookup_and_delete_elem(map->fd, key, value));
}

static napi_value js_map_update(napi_env env, napi_callback_info info)
{
	napi_value argv[4];
	struct fd_handle *map;
	void *key, *value;
	uint32_t flags;

	if (!get_args(env, info, 4, argv) || !(map = get_key(env, argv, &key)) || !get_value(env, argv[2], map, &value) || !get_u32(env, argv[3], &flags))
		return NULL;
	return make_int(env, bpf_map_update_elem(map->fd, key, value, flags));
}

static napi_value js_map_delete(napi_env env, napi_callback_info info)
{
	napi_value argv[2];
	struct fd_handle *map;
	void *key;

	if (!get_args(env, info, 2, argv) || !(map = get_key(env, argv, &key)))
		return NULL;
	return make_int(env, bpf_map_delete_elem(map->fd, key));
}

static napi_value js_map_freeze(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
	struct fd_handle *map;

	if (!get_args(env, info, 1, argv) || !(map = handle_get(env, argv[0], &MAP_TAG)))
		return NULL;
	return make_int(env, bpf_map_freeze(map->fd));
}

// Freed with the last reference to the memory: after detach(), or when the buffer is collected.
static void unmap(napi_env env, void *data, void *hint)
{
	munmap(data, (size_t)(uintptr_t)hint);
}

static napi_value js_map_mmap(napi_env env, napi_callback_info info)
{
	napi_value argv[3], buffer;
	struct fd_handle *map;
	uint64_t length;
	bool writable;
	void *memory;

	if (!get_args(env, info, 3, argv) || !(map = handle_get(env, argv[0], &MAP_TAG)) || !get_u64(env, argv[1], &length) || !get_bool(env, argv[2], &writable))
		return NULL;
	// MAP_SHARED memory of another size than the map's is refused by the kernel.
	memory = mmap(NULL, length, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, map->fd, 0);
	if (memory == MAP_FAILED)
		return make_int(env, -errno);
	if (napi_create_external_arraybuffer(env, memory, length, unmap, (void *)(uintptr_t)length, &buffer) != napi_ok) {
		munmap(memory, length);
		napi_throw_error(env, NULL, "libbpf-napi: this JavaScript engine does not allow external memory");
		return NULL;
	}
	return buffer;
}

static napi_value js_detach(napi_env env, napi_callback_info info)
{
	napi_value argv[1];

	if (!get_args(env, info, 1, argv))
		return NULL;
	if (napi_detach_arraybuffer(env, argv[0]) != napi_ok)
		napi_throw_type_error(env, NULL, "libbpf-napi: expected an ArrayBuffer that can be detached");
	return make_undefined(env);
}

void init_map(napi_env env, napi_value exports)
{
	static const struct method methods[] = {
		{ "mapCreate", js_map_create },
		{ "mapGetPinned", js_map_get_pinned },
		{ "mapById", js_map_by_id },
		{ "mapDup", js_map_dup },
		{ "mapInfo", js_map_info },
		{ "mapLookup", js_map_lookup },
		{ "mapLookupAndDelete", js_map_lookup_and_delete },
		{ "mapUpdate", js_map_update },
		{ "mapDelete", js_map_delete },
		{ "mapFreeze", js_map_freeze },
		{ "mapMmap", js_map_mmap },
		{ "detach", js_detach },
	};

	DEFINE_METHODS(env, exports, methods);
}
