// What can be changed about an object before it is loaded.
#include "object.h"
#include <fcntl.h>

static napi_value js_set_max_entries(napi_env env, napi_callback_info info)
{
	napi_value argv[3];
	struct bpf_map *map;
	uint32_t entries;

	if (!get_args(env, info, 3, argv) || !get_map(env, argv, &map) || !get_u32(env, argv[2], &entries))
		return NULL;
	return make_int(env, map ? bpf_map__set_max_entries(map, entries) : -ENOENT);
}

static napi_value js_set_pin_path(napi_env env, napi_callback_info info)
{
	napi_value argv[3];
	struct bpf_map *map;
	char path[4096];
	bool clear;

	if (!get_args(env, info, 3, argv) || !get_map(env, argv, &map))
		return NULL;
	clear = is_undefined(env, argv[2]);
	if (!clear && !get_string(env, argv[2], path, sizeof(path)))
		return NULL;
	return make_int(env, map ? bpf_map__set_pin_path(map, clear ? NULL : path) : -ENOENT);
}

static napi_value js_set_autocreate(napi_env env, napi_callback_info info)
{
	napi_value argv[3];
	struct bpf_map *map;
	bool create;

	if (!get_args(env, info, 3, argv) || !get_map(env, argv, &map) || !get_bool(env, argv[2], &create))
		return NULL;
	return make_int(env, map ? bpf_map__set_autocreate(map, create) : -ENOENT);
}

static napi_value js_reuse_map(napi_env env, napi_callback_info info)
{
	napi_value argv[3];
	struct bpf_map *map;
	struct fd_handle *other;
	int status;

	if (!get_args(env, info, 3, argv) || !get_map(env, argv, &map) || !(other = handle_get(env, argv[2], &MAP_TAG)))
		return NULL;
	log_begin(&addon_of(env)->log);
	status = map ? bpf_map__reuse_fd(map, other->fd) : -ENOENT; // duplicates the descriptor
	log_end(status < 0);
	return make_int(env, status);
}

// A copy of the descriptor that lives as long as the object, or a negative errno.
static int keep_template(struct object *object, int fd)
{
	int copy, *grown = realloc(object->templates, (object->template_count + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	object->templates = grown;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return -errno;
	object->templates[object->template_count++] = copy;
	return copy;
}

static napi_value js_set_inner_map(napi_env env, napi_callback_info info)
{
	napi_value argv[3];
	struct object *object;
	struct bpf_map *map;
	struct fd_handle *inner;
	int status;

	if (!get_args(env, info, 3, argv) || !get_map(env, argv, &map) || !(object = handle_get(env, argv[0], &OBJECT_TAG)) ||
	    !(inner = handle_get(env, argv[2], &MAP_TAG)))
		return NULL;
	if (!map)
		return make_int(env, -ENOENT);
	status = keep_template(object, inner->fd);
	if (status < 0)
		return make_int(env, status);
	log_begin(&addon_of(env)->log);
	status = bpf_map__set_inner_map_fd(map, status);
	log_end(status < 0);
	return make_int(env, status);
}

static napi_value js_set_autoload(napi_env env, napi_callback_info info)
{
	napi_value argv[3];
	struct bpf_program *program;
	bool load;

	if (!get_args(env, info, 3, argv) || !get_program(env, argv, &program) || !get_bool(env, argv[2], &load))
		return NULL;
	return make_int(env, program ? bpf_program__set_autoload(program, load) : -ENOENT);
}

static napi_value js_set_program_type(napi_env env, napi_callback_info info)
{
	napi_value argv[4];
	struct bpf_program *program;
	uint32_t type, attach_type;
	int status;

	if (!get_args(env, info, 4, argv) || !get_program(env, argv, &program) || !get_u32(env, argv[2], &type) || !get_u32(env, argv[3], &attach_type))
		return NULL;
	if (!program)
		return make_int(env, -ENOENT);
	status = bpf_program__set_type(program, type);
	return make_int(env, status ? status : bpf_program__set_expected_attach_type(program, attach_type));
}

static napi_value js_get_initial(napi_env env, napi_callback_info info)
{
	napi_value argv[2];
	struct bpf_map *map;
	const void *data;
	size_t size;

	if (!get_args(env, info, 2, argv) || !get_map(env, argv, &map))
		return NULL;
	data = map ? bpf_map__initial_value(map, &size) : NULL;
	return data ? make_bytes(env, data, size) : make_int(env, -ENOENT);
}

// libbpf takes a section as a whole only.
static napi_value js_set_initial(napi_env env, napi_callback_info info)
{
	napi_value argv[4];
	struct bpf_map *map;
	uint32_t offset;
	const void *data;
	void *bytes, *copy;
	size_t length, size;
	int status;

	if (!get_args(env, info, 4, argv) || !get_map(env, argv, &map) || !get_u32(env, argv[2], &offset) || !get_bytes(env, argv[3], &bytes, &length))
		return NULL;
	data = map ? bpf_map__initial_value(map, &size) : NULL;
	if (!data)
		return make_int(env, -ENOENT);
	if (offset > size || length > size - offset)
		return make_int(env, -ERANGE);
	copy = malloc(size);
	if (!copy)
		return make_int(env, -ENOMEM);
	memcpy(copy, data, size);
	memcpy((char *)copy + offset, bytes, length);
	status = bpf_map__set_initial_value(map, copy, size);
	free(copy);
	return make_int(env, status);
}

void init_object_config(napi_env env, napi_value exports)
{
	static const struct method methods[] = {
		{ "objectSetMaxEntries", js_set_max_entries },
		{ "objectSetPinPath", js_set_pin_path },
		{ "objectSetAutocreate", js_set_autocreate },
		{ "objectReuseMap", js_reuse_map },
		{ "objectSetInnerMap", js_set_inner_map },
		{ "objectSetAutoload", js_set_autoload },
		{ "objectSetProgramType", js_set_program_type },
		{ "objectGetInitial", js_get_initial },
		{ "objectSetInitial", js_set_initial },
	};

	DEFINE_METHODS(env, exports, methods);
}
