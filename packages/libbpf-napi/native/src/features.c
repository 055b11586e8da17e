// Feature probes: 1 for yes, 0 for no, a negative errno when it cannot be tried.
#include "addon.h"
#include <bpf/libbpf.h>
#include <linux/bpf.h>

static napi_value js_probe_program_type(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
	uint32_t type;

	if (!get_args(env, info, 1, argv) || !get_u32(env, argv[0], &type))
		return NULL;
	return make_int(env, libbpf_probe_bpf_prog_type(type, NULL));
}

static napi_value js_probe_map_type(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
	uint32_t type;

	if (!get_args(env, info, 1, argv) || !get_u32(env, argv[0], &type))
		return NULL;
	return make_int(env, libbpf_probe_bpf_map_type(type, NULL));
}

static napi_value js_probe_helper(napi_env env, napi_callback_info info)
{
	napi_value argv[2];
	uint32_t type, helper;

	if (!get_args(env, info, 2, argv) || !get_u32(env, argv[0], &type) || !get_u32(env, argv[1], &helper))
		return NULL;
	return make_int(env, libbpf_probe_bpf_helper(type, helper, NULL));
}

// A kernel with tcx looks for the device and finds none; one without refuses the attach type.
static napi_value js_probe_tcx(napi_env env, napi_callback_info info)
{
	struct {
		uint32_t target_ifindex, attach_type, query_flags, attach_flags;
		uint64_t prog_ids;
		uint32_t count, padding;
	} attr = { .target_ifindex = INT32_MAX, .attach_type = 46 /* BPF_TCX_INGRESS */ };
	long status = sys_bpf(BPF_PROG_QUERY, &attr, sizeof(attr));

	return make_int(env, status == -ENODEV || status == 0 ? 1 : status == -EINVAL ? 0 : status);
}

void init_features(napi_env env, napi_value exports)
{
	static const struct method methods[] = {
		{ "probeProgramType", js_probe_program_type },
		{ "probeMapType", js_probe_map_type },
		{ "probeHelper", js_probe_helper },
		{ "probeTcx", js_probe_tcx },
	};

	DEFINE_METHODS(env, exports, methods);
}
