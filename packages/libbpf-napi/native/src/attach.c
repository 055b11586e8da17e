// Links on what has a path (cgroups, network namespaces) and on devices by XDP; what is attached there.
#include "addon.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <unistd.h>

// A descriptor of a cgroup's folder or a namespace's file, or a negative errno.
static int open_target(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int create(int program, int target, uint32_t attach_type, uint32_t flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);

	return bpf_link_create(program, target, attach_type, &opts);
}

static napi_value js_attach_path(napi_env env, napi_callback_info info)
{
	napi_value argv[3];
	struct fd_handle *program;
	char path[4096];
	uint32_t attach_type;
	int target, link;

	if (!get_args(env, info, 3, argv) || !(program = handle_get(env, argv[0], &PROGRAM_TAG)) || !get_string(env, argv[1], path, sizeof(path)) ||
	    !get_u32(env, argv[2], &attach_type))
		return NULL;
	target = open_target(path);
	if (target < 0)
		return make_int(env, target);
	link = create(program->fd, target, attach_type, 0);
	close(target);
	return fd_handle_wrap(env, link, &LINK_TAG);
}

#define MAX_PROGRAMS 1024 // linux/bpf-cgroup-defs.h: 64 of a cgroup, and those of its ancestors

// [path, attachType, queryFlags] → [attachFlags, programId…]
static napi_value js_query_path(napi_env env, napi_callback_info info)
{
	napi_value argv[3], item[1 + MAX_PROGRAMS];
	uint32_t attach_type, query_flags, attach_flags = 0, count = MAX_PROGRAMS, *ids;
	char path[4096];
	int target, status;

	if (!get_args(env, info, 3, argv) || !get_string(env, argv[0], path, sizeof(path)) || !get_u32(env, argv[1], &attach_type) ||
	    !get_u32(env, argv[2], &query_flags))
		return NULL;
	target = open_target(path);
	if (target < 0)
		return make_int(env, target);
	ids = calloc(MAX_PROGRAMS, sizeof(*ids));
	status = ids ? bpf_prog_query(target, attach_type, query_flags, &attach_flags, ids, &count) : -ENOMEM;
	close(target);
	if (status >= 0) {
		item[0] = make_int(env, attach_flags);
		for (uint32_t i = 0; i < count; i++)
			item[1 + i] = make_int(env, ids[i]);
	}
	free(ids);
	return status < 0 ? make_int(env, status) : make_array(env, item, 1 + count);
}

static napi_value js_xdp_attach(napi_env env, napi_callback_info info)
{
	napi_value argv[3];
	struct fd_handle *program;
	uint32_t ifindex, flags;

	if (!get_args(env, info, 3, argv) || !(program = handle_get(env, argv[0], &PROGRAM_TAG)) || !get_u32(env, argv[1], &ifindex) || !get_u32(env, argv[2], &flags))
		return NULL;
	return fd_handle_wrap(env, create(program->fd, ifindex, BPF_XDP, flags), &LINK_TAG);
}

// [ifindex] → [native, generic, offloaded: program ids, 0 for none]; libbpf asks by netlink
static napi_value js_xdp_query(napi_env env, napi_callback_info info)
{
	napi_value argv[1], item[3];
	char name[IF_NAMESIZE];
	uint32_t ifindex;
	int status;
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);

	if (!get_args(env, info, 1, argv) || !get_u32(env, argv[0], &ifindex))
		return NULL;
	// libbpf finds nothing on a device that does not exist.
	if (!if_indextoname(ifindex, name))
		return make_int(env, -ENODEV);
	log_begin(&addon_of(env)->log);
	status = bpf_xdp_query(ifindex, 0, &opts);
	log_end(status < 0);
	if (status < 0)
		return make_int(env, status);
	item[0] = make_int(env, opts.drv_prog_id);
	item[1] = make_int(env, opts.skb_prog_id);
	item[2] = make_int(env, opts.hw_prog_id);
	return make_array(env, item, 3);
}

// The kernel counts runs and their time as long as somebody holds such a descriptor.
static napi_value js_stats_enable(napi_env env, napi_callback_info info)
{
	return fd_handle_wrap(env, bpf_enable_stats(BPF_STATS_RUN_TIME), &STATISTICS_TAG);
}

void init_attach(napi_env env, napi_value exports)
{
	static const struct method methods[] = {
		{ "attachPath", js_attach_path },
		{ "queryPath", js_query_path },
		{ "xdpAttach", js_xdp_attach },
		{ "xdpQuery", js_xdp_query },
		{ "statsEnable", js_stats_enable },
	};

	DEFINE_METHODS(env, exports, methods);
}
