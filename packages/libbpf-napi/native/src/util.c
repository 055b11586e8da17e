// Arguments, results, and system calls that have no better home.
#include "addon.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/membarrier.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

bool get_args(napi_env env, napi_callback_info info, size_t count, napi_value *argv)
{
	// Missing arguments arrive as undefined and are refused by the getters.
	return napi_get_cb_info(env, info, &count, argv, NULL, NULL) == napi_ok;
}

bool require(napi_env env, bool condition, const char *message)
{
	if (!condition)
		napi_throw_range_error(env, NULL, message);
	return condition;
}

static bool type_ok(napi_env env, napi_status status, const char *message)
{
	if (status != napi_ok)
		napi_throw_type_error(env, NULL, message);
	return status == napi_ok;
}

bool get_u32(napi_env env, napi_value value, uint32_t *out)
{
	return type_ok(env, napi_get_value_uint32(env, value, out), "libbpf-napi: expected a number");
}

bool get_u64(napi_env env, napi_value value, uint64_t *out)
{
	int64_t number = 0;

	if (!type_ok(env, napi_get_value_int64(env, value, &number), "libbpf-napi: expected a number"))
		return false;
	*out = number;
	return true;
}

bool get_bool(napi_env env, napi_value value, bool *out)
{
	return type_ok(env, napi_get_value_bool(env, value, out), "libbpf-napi: expected a boolean");
}

bool get_string(napi_env env, napi_value value, char *out, size_t size)
{
	size_t length;

	if (!type_ok(env, napi_get_value_string_utf8(env, value, NULL, 0, &length), "libbpf-napi: expected a string"))
		return false;
	if (!require(env, length < size, "libbpf-napi: string too long"))
		return false;
	return type_ok(env, napi_get_value_string_utf8(env, value, out, size, &length), "libbpf-napi: expected a string");
}

static size_t element_size(napi_typedarray_type type)
{
	switch (type) {
	case napi_int16_array:
	case napi_uint16_array:
		return 2;
	case napi_int32_array:
	case napi_uint32_array:
	case napi_float32_array:
		return 4;
	case napi_float64_array:
	case napi_bigint64_array:
	case napi_biguint64_array:
		return 8;
	default:
		return 1;
	}
}

bool get_bytes(napi_env env, napi_value value, void **data, size_t *size)
{
	napi_typedarray_type type;
	size_t length;

	if (!type_ok(env, napi_get_typedarray_info(env, value, &type, &length, data, NULL, NULL), "libbpf-napi: expected a typed array"))
		return false;
	*size = length * element_size(type);
	return true;
}

bool is_undefined(napi_env env, napi_value value)
{
	napi_valuetype type = napi_undefined;

	napi_typeof(env, value, &type);
	return type == napi_undefined;
}

bool get_optional_bytes(napi_env env, napi_value value, void **data, size_t *size)
{
	*data = NULL;
	*size = 0;
	return is_undefined(env, value) || get_bytes(env, value, data, size);
}

napi_value make_int(napi_env env, int64_t value)
{
	napi_value result = NULL;

	napi_create_int64(env, value, &result);
	return result;
}

napi_value make_undefined(napi_env env)
{
	napi_value result = NULL;

	napi_get_undefined(env, &result);
	return result;
}

napi_value make_string(napi_env env, const char *text)
{
	napi_value result = NULL;

	if (!text)
		return make_undefined(env);
	napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &result);
	return result;
}

napi_value make_bytes(napi_env env, const void *data, size_t size)
{
	napi_value buffer, result = NULL;
	void *copy;

	if (napi_create_arraybuffer(env, size, &copy, &buffer) != napi_ok)
		return NULL;
	if (size > 0)
		memcpy(copy, data, size);
	napi_create_typedarray(env, napi_uint8_array, size, buffer, 0, &result);
	return result;
}

napi_value make_array(napi_env env, const napi_value *items, size_t count)
{
	napi_value result;

	if (napi_create_array_with_length(env, count, &result) != napi_ok)
		return NULL;
	for (size_t i = 0; i < count; i++)
		napi_set_element(env, result, i, items[i]);
	return result;
}

// --- system calls ---

long sys_bpf(int command, void *attr, unsigned int size)
{
	long result = syscall(__NR_bpf, command, attr, size);

	return result < 0 ? -errno : result;
}

static int run_membarrier(struct job *job)
{
	return syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0 ? -errno : 0;
}

static napi_value js_membarrier(napi_env env, napi_callback_info info)
{
	return job_start(env, "libbpf-napi:membarrier", run_membarrier, NULL, NULL);
}

static napi_value js_mount_bpffs(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
	char path[4096];

	if (!get_args(env, info, 1, argv) || !get_string(env, argv[0], path, sizeof(path)))
		return NULL;
	return make_int(env, mount("bpf", path, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0 ? -errno : 0);
}

static napi_value js_possible_cpus(napi_env env, napi_callback_info info)
{
	return make_int(env, libbpf_num_possible_cpus());
}

static napi_value js_version(napi_env env, napi_callback_info info)
{
	return make_string(env, libbpf_version_string());
}

static napi_value js_close(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
	struct handle *handle;
	bool ours = false;
	const napi_type_tag *tags[] = { &OBJECT_TAG, &MAP_TAG, &PROGRAM_TAG, &LINK_TAG, &RING_TAG, &STATISTICS_TAG };

	if (!get_args(env, info, 1, argv))
		return NULL;
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]) && !ours; i++)
		if (napi_check_object_type_tag(env, argv[0], tags[i], &ours) != napi_ok)
			break;
	if (!ours || napi_get_value_external(env, argv[0], (void **)&handle) != napi_ok) {
		napi_throw_type_error(env, NULL, "libbpf-napi: not a handle");
		return NULL;
	}
	handle_close(handle);
	return make_undefined(env);
}

static napi_value js_fd(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
	struct fd_handle *handle;

	if (!get_args(env, info, 1, argv) || !(handle = fd_handle_get(env, argv[0])))
		return NULL;
	return make_int(env, handle->fd);
}

static napi_value js_pin(napi_env env, napi_callback_info info)
{
	napi_value argv[2];
	struct fd_handle *handle;
	char path[4096];

	if (!get_args(env, info, 2, argv) || !(handle = fd_handle_get(env, argv[0])) || !get_string(env, argv[1], path, sizeof(path)))
		return NULL;
	return make_int(env, bpf_obj_pin(handle->fd, path));
}

void init_util(napi_env env, napi_value exports)
{
	static const struct method methods[] = {
		{ "membarrier", js_membarrier },
		{ "mountBpffs", js_mount_bpffs },
		{ "possibleCpus", js_possible_cpus },
		{ "libbpfVersion", js_version },
		{ "close", js_close },
		{ "fd", js_fd },
		{ "pin", js_pin },
	};

	DEFINE_METHODS(env, exports, methods);
}
