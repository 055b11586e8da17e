// Objects: opened, configured, loaded. Maps and programs are given out as handles with a descriptor of their own.
#include "object.h"
#include <bpf/btf.h>
#include <fcntl.h>
#include <unistd.h>

static void release_object(struct handle *handle)
{
	struct object *object = (struct object *)handle;

	bpf_object__close(object->bpf);
	free(object->bytes);
	for (size_t i = 0; i < object->template_count; i++)
		close(object->templates[i]);
	free(object->templates);
}

static napi_value js_object_open(napi_env env, napi_callback_info info)
{
	napi_value argv[2];
	napi_valuetype type;
	char path[4096], name[256];
	struct object *object;
	struct bpf_object *bpf;
	void *data = NULL, *copy = NULL;
	size_t size = 0;
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = name);

	if (!get_args(env, info, 2, argv) || napi_typeof(env, argv[0], &type) != napi_ok || !get_string(env, argv[1], name, sizeof(name)))
		return NULL;
	if (type == napi_string ? !get_string(env, argv[0], path, sizeof(path)) : !get_bytes(env, argv[0], &data, &size))
		return NULL;
	if (data || type != napi_string) {
		copy = malloc(size ? size : 1);
		if (!copy)
			return make_int(env, -ENOMEM);
		memcpy(copy, data, size);
	}
	log_begin(&addon_of(env)->log);
	errno = 0;
	bpf = copy ? bpf_object__open_mem(copy, size, &opts) : bpf_object__open_file(path, &opts);
	log_end(!bpf);
	if (!bpf) {
		int error = errno ? -errno : -EINVAL;

		free(copy);
		return make_int(env, error);
	}
	object = handle_new(env, sizeof(*object), release_object);
	if (!object) {
		bpf_object__close(bpf);
		free(copy);
		return NULL;
	}
	object->bpf = bpf;
	object->bytes = copy;
	return handle_wrap(env, &object->base, &OBJECT_TAG);
}

const char *map_name(const struct bpf_map *map)
{
	const char *name = bpf_map__name(map);
	const char *dot = strchr(name, '.');

	return bpf_map__is_internal(map) && dot ? dot : name;
}

static struct bpf_map *find_map(struct object *object, const char *name)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object->bpf)
		if (strcmp(map_name(map), name) == 0)
			return map;
	return NULL;
}

static napi_value js_object_maps(napi_env env, napi_callback_info info)
{
	napi_value argv[1], result, item[8];
	struct object *object;
	struct bpf_map *map;
	uint32_t count = 0;

	if (!get_args(env, info, 1, argv) || !(object = handle_get(env, argv[0], &OBJECT_TAG)))
		return NULL;
	napi_create_array(env, &result);
	bpf_object__for_each_map(map, object->bpf) {
		item[0] = make_string(env, map_name(map));
		item[1] = make_int(env, bpf_map__type(map));
		item[2] = make_int(env, bpf_map__key_size(map));
		item[3] = make_int(env, bpf_map__value_size(map));
		item[4] = make_int(env, bpf_map__max_entries(map));
		item[5] = make_int(env, bpf_map__map_flags(map));
		napi_get_boolean(env, bpf_map__is_internal(map), &item[6]);
		item[7] = make_string(env, bpf_map__pin_path(map));
		napi_set_element(env, result, count++, make_array(env, item, 8));
	}
	return result;
}

// [object, map] → the declared inner map [type, keySize, valueSize, maxEntries, flags], or undefined
static napi_value js_object_inner_map(napi_env env, napi_callback_info info)
{
	napi_value argv[2], item[5];
	struct bpf_map *map, *inner;

	if (!get_args(env, info, 2, argv) || !get_map(env, argv, &map))
		return NULL;
	inner = map ? bpf_map__inner_map(map) : NULL;
	if (!inner)
		return make_undefined(env);
	item[0] = make_int(env, bpf_map__type(inner));
	item[1] = make_int(env, bpf_map__key_size(inner));
	item[2] = make_int(env, bpf_map__value_size(inner));
	item[3] = make_int(env, bpf_map__max_entries(inner));
	item[4] = make_int(env, bpf_map__map_flags(inner));
	return make_array(env, item, 5);
}

static napi_value js_object_programs(napi_env env, napi_callback_info info)
{
	napi_value argv[1], result, item[5];
	struct object *object;
	struct bpf_program *program;
	uint32_t count = 0;

	if (!get_args(env, info, 1, argv) || !(object = handle_get(env, argv[0], &OBJECT_TAG)))
		return NULL;
	napi_create_array(env, &result);
	bpf_object__for_each_program(program, object->bpf) {
		item[0] = make_string(env, bpf_program__name(program));
		item[1] = make_string(env, bpf_program__section_name(program));
		item[2] = make_int(env, bpf_program__type(program));
		item[3] = make_int(env, bpf_program__expected_attach_type(program));
		napi_get_boolean(env, bpf_program__autoload(program), &item[4]);
		napi_set_element(env, result, count++, make_array(env, item, 5));
	}
	return result;
}

static bool get_named(napi_env env, napi_value *argv, struct object **object, char *name, size_t size)
{
	*object = handle_get(env, argv[0], &OBJECT_TAG);
	return *object && get_string(env, argv[1], name, size);
}

bool get_map(napi_env env, napi_value *argv, struct bpf_map **map)
{
	struct object *object;
	char name[256];

	if (!get_named(env, argv, &object, name, sizeof(name)))
		return false;
	*map = find_map(object, name);
	return true;
}

bool get_program(napi_env env, napi_value *argv, struct bpf_program **program)
{
	struct object *object;
	char name[256];

	if (!get_named(env, argv, &object, name, sizeof(name)))
		return false;
	*program = bpf_object__find_program_by_name(object->bpf, name);
	return true;
}

static int run_load(struct job *job)
{
	return bpf_object__load(((struct object *)job->handle)->bpf);
}

static napi_value js_load(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
	struct object *object;
	int status;

	if (!get_args(env, info, 1, argv) || !(object = handle_get(env, argv[0], &OBJECT_TAG)))
		return NULL;
	log_begin(&addon_of(env)->log);
	status = bpf_object__load(object->bpf);
	log_end(status < 0);
	return make_int(env, status);
}

static napi_value js_load_async(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
	struct object *object;

	if (!get_args(env, info, 1, argv) || !(object = handle_get(env, argv[0], &OBJECT_TAG)))
		return NULL;
	return job_start(env, "libbpf-napi:load", run_load, &object->base, argv[0]);
}

static int dup_fd(int fd)
{
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);

	return fd < 0 ? -ENOENT : copy < 0 ? -errno : copy;
}

static napi_value js_object_map(napi_env env, napi_callback_info info)
{
	napi_value argv[2];
	struct bpf_map *map;

	if (!get_args(env, info, 2, argv) || !get_map(env, argv, &map))
		return NULL;
	return map_handle_wrap(env, map ? dup_fd(bpf_map__fd(map)) : -ENOENT);
}

static napi_value js_object_program(napi_env env, napi_callback_info info)
{
	napi_value argv[2];
	struct bpf_program *program;

	if (!get_args(env, info, 2, argv) || !get_program(env, argv, &program))
		return NULL;
	return fd_handle_wrap(env, program ? dup_fd(bpf_program__fd(program)) : -ENOENT, &PROGRAM_TAG);
}

static napi_value js_object_btf(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
	struct object *object;
	const void *data;
	const struct btf *btf;
	uint32_t size;

	if (!get_args(env, info, 1, argv) || !(object = handle_get(env, argv[0], &OBJECT_TAG)))
		return NULL;
	btf = bpf_object__btf(object->bpf);
	data = btf ? btf__raw_data(btf, &size) : NULL;
	return data ? make_bytes(env, data, size) : make_undefined(env);
}

void init_object(napi_env env, napi_value exports)
{
	static const struct method methods[] = {
		{ "objectOpen", js_object_open },
		{ "objectMaps", js_object_maps },
		{ "objectInnerMap", js_object_inner_map },
		{ "objectPrograms", js_object_programs },
		{ "objectBtf", js_object_btf },
		{ "objectLoad", js_load },
		{ "objectLoadAsync", js_load_async },
		{ "objectMap", js_object_map },
		{ "objectProgram", js_object_program },
	};

	DEFINE_METHODS(env, exports, methods);
}
