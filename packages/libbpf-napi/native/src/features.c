// Feature probes: 1 for yes, 0 for no, a negative errno when it cannot be tried.
#include "addon.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <unistd.h>

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

// Program types that the verifier only looks at with an attach type, or with a flag.
static void needs_of(uint32_t type, struct bpf_prog_load_opts *opts)
{
	if (type == BPF_PROG_TYPE_CGROUP_SOCK_ADDR)
		opts->expected_attach_type = BPF_CGROUP_INET4_CONNECT;
	else if (type == BPF_PROG_TYPE_CGROUP_SOCKOPT)
		opts->expected_attach_type = BPF_CGROUP_GETSOCKOPT;
	else if (type == BPF_PROG_TYPE_SK_LOOKUP)
		opts->expected_attach_type = BPF_SK_LOOKUP;
	else if (type == BPF_PROG_TYPE_SYSCALL)
		opts->prog_flags = BPF_F_SLEEPABLE;
}

// libbpf 1.1 has such a probe too, but does not know how kernels since 6.10 word their refusal.
static int probe_helper(uint32_t type, uint32_t helper)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_JMP | BPF_CALL, .imm = helper },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	char log[4096] = "";
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_buf = log, .log_size = sizeof(log), .log_level = 1);
	int fd;

	// These are tied to a kernel function each, which a probe would have to choose.
	if (type == BPF_PROG_TYPE_TRACING || type == BPF_PROG_TYPE_EXT || type == BPF_PROG_TYPE_LSM || type == BPF_PROG_TYPE_STRUCT_OPS)
		return -EOPNOTSUPP;
	needs_of(type, &opts);
	fd = bpf_prog_load(type, NULL, "GPL", program, 3, &opts);
	if (fd >= 0) {
		close(fd);
		return 1;
	}
	if (fd == -EPERM)
		return fd;
	if (strstr(log, "invalid func ") || strstr(log, "unknown func ") || strstr(log, "cannot use helper"))
		return 0;
	// Any other complaint is about missing arguments; none at all means that the type itself is unknown.
	return log[0] != 0;
}

static napi_value js_probe_helper(napi_env env, napi_callback_info info)
{
	napi_value argv[2];
	uint32_t type, helper;

	if (!get_args(env, info, 2, argv) || !get_u32(env, argv[0], &type) || !get_u32(env, argv[1], &helper))
		return NULL;
	return make_int(env, probe_helper(type, helper));
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
