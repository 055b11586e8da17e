// Type information as raw bytes; TypeScript reads them.
#include "addon.h"
#include <bpf/btf.h>
#include <bpf/libbpf.h>

// From a BPF object, so that libbpf fills in the offsets of variables, which clang leaves out.
static int from_object(napi_env env, const char *path, const void *data, size_t size, napi_value *result)
{
	struct bpf_object *object;
	const struct btf *btf;
	const void *raw;
	uint32_t raw_size;

	errno = 0;
	object = path ? bpf_object__open_file(path, NULL) : bpf_object__open_mem(data, size, NULL);
	if (!object)
		return errno ? -errno : -EINVAL;
	btf = bpf_object__btf(object);
	raw = btf ? btf__raw_data(btf, &raw_size) : NULL;
	if (raw)
		*result = make_bytes(env, raw, raw_size);
	bpf_object__close(object);
	return raw ? 0 : -ENODATA;
}

// From what is no BPF object: raw type information, or another ELF file with a .BTF section.
static int from_file(napi_env env, const char *path, napi_value *result)
{
	struct btf *btf;
	const void *raw;
	uint32_t raw_size;

	errno = 0;
	btf = btf__parse(path, NULL);
	if (!btf)
		return errno ? -errno : -EINVAL;
	raw = btf__raw_data(btf, &raw_size);
	if (raw)
		*result = make_bytes(env, raw, raw_size);
	btf__free(btf);
	return raw ? 0 : -ENODATA;
}

static napi_value js_btf_read(napi_env env, napi_callback_info info)
{
	napi_value argv[1], result = NULL;
	napi_valuetype type;
	char path[4096];
	void *data = NULL;
	size_t size = 0;
	bool is_path;
	int status;

	if (!get_args(env, info, 1, argv) || napi_typeof(env, argv[0], &type) != napi_ok)
		return NULL;
	is_path = type == napi_string;
	if (is_path ? !get_string(env, argv[0], path, sizeof(path)) : !get_bytes(env, argv[0], &data, &size))
		return NULL;
	log_begin(&addon_of(env)->log);
	status = from_object(env, is_path ? path : NULL, data, size, &result);
	if (status < 0 && is_path && from_file(env, path, &result) == 0)
		status = 0;
	log_end(status < 0);
	return status < 0 ? make_int(env, status) : result;
}

void init_btf(napi_env env, napi_value exports)
{
	static const struct method methods[] = {
		{ "btfRead", js_btf_read },
	};

	DEFINE_METHODS(env, exports, methods);
}
