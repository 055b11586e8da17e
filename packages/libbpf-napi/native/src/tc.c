// Filters of clsact, by libbpf, which speaks netlink for it: in the network namespace of the calling thread.
#include "addon.h"
#include <bpf/libbpf.h>

static napi_value js_clsact_create(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
	uint32_t ifindex;
	int status;

	if (!get_args(env, info, 1, argv) || !get_u32(env, argv[0], &ifindex))
		return NULL;
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	log_begin(&addon_of(env)->log);
	status = bpf_tc_hook_create(&hook);
	log_end(status < 0);
	return make_int(env, status);
}

static napi_value js_clsact_destroy(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
	uint32_t ifindex;
	int status;

	if (!get_args(env, info, 1, argv) || !get_u32(env, argv[0], &ifindex))
		return NULL;
	// Both directions together mean the qdisc itself.
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	log_begin(&addon_of(env)->log);
	status = bpf_tc_hook_destroy(&hook);
	log_end(status < 0);
	return make_int(env, status);
}

struct slot {
	uint32_t ifindex, handle, priority;
	bool egress;
};

static bool get_slot(napi_env env, const napi_value *argv, struct slot *slot)
{
	return get_u32(env, argv[0], &slot->ifindex) && get_bool(env, argv[1], &slot->egress) && get_u32(env, argv[2], &slot->handle) &&
	       get_u32(env, argv[3], &slot->priority);
}

static napi_value filter(napi_env env, const struct bpf_tc_opts *opts)
{
	napi_value item[3] = { make_int(env, opts->prog_id), make_int(env, opts->handle), make_int(env, opts->priority) };

	return make_array(env, item, 3);
}

static napi_value js_tc_attach(napi_env env, napi_callback_info info)
{
	napi_value argv[6];
	struct fd_handle *program;
	struct slot slot;
	bool replace;
	int status;

	if (!get_args(env, info, 6, argv) || !(program = handle_get(env, argv[0], &PROGRAM_TAG)) || !get_slot(env, argv + 1, &slot) || !get_bool(env, argv[5], &replace))
		return NULL;
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = slot.ifindex, .attach_point = slot.egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = program->fd, .handle = slot.handle, .priority = slot.priority, .flags = replace ? BPF_TC_F_REPLACE : 0);
	log_begin(&addon_of(env)->log);
	status = bpf_tc_attach(&hook, &opts);
	log_end(status < 0);
	return status < 0 ? make_int(env, status) : filter(env, &opts);
}

static napi_value js_tc_detach(napi_env env, napi_callback_info info)
{
	napi_value argv[4];
	struct slot slot;
	int status;

	if (!get_args(env, info, 4, argv) || !get_slot(env, argv, &slot))
		return NULL;
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = slot.ifindex, .attach_point = slot.egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = slot.handle, .priority = slot.priority);
	log_begin(&addon_of(env)->log);
	status = bpf_tc_detach(&hook, &opts);
	log_end(status < 0);
	return make_int(env, status);
}

static napi_value js_tc_query(napi_env env, napi_callback_info info)
{
	napi_value argv[4];
	struct slot slot;
	int status;

	if (!get_args(env, info, 4, argv) || !get_slot(env, argv, &slot))
		return NULL;
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = slot.ifindex, .attach_point = slot.egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = slot.handle, .priority = slot.priority);
	log_begin(&addon_of(env)->log);
	status = bpf_tc_query(&hook, &opts);
	log_end(status < 0);
	return status < 0 ? make_int(env, status) : filter(env, &opts);
}

void init_tc(napi_env env, napi_value exports)
{
	static const struct method methods[] = {
		{ "clsactCreate", js_clsact_create },
		{ "clsactDestroy", js_clsact_destroy },
		{ "tcAttach", js_tc_attach },
		{ "tcDetach", js_tc_detach },
		{ "tcQuery", js_tc_query },
	};

	DEFINE_METHODS(env, exports, methods);
}
