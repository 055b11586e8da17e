// Links. libbpf 1.1 knows nothing of tcx (Linux 6.6): those calls go to bpf(2) directly, with the layouts of its UAPI.
#include "addon.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <unistd.h>

static napi_value wrap(napi_env env, int fd)
{
	if (fd >= 0 && !fd_is(fd, "anon_inode:bpf_link") && !fd_is(fd, "anon_inode:bpf-link")) {
		close(fd);
		fd = -EINVAL;
	}
	return fd_handle_wrap(env, fd, &LINK_TAG);
}

// union bpf_attr, BPF_LINK_CREATE with an attach type of tcx
struct tcx_create {
	uint32_t prog_fd, target_ifindex, attach_type, flags;
	uint32_t relative_fd, padding;
	uint64_t expected_revision;
};

static napi_value js_tcx_attach(napi_env env, napi_callback_info info)
{
	napi_value argv[4];
	struct fd_handle *program;
	struct tcx_create attr = { 0 };

	if (!get_args(env, info, 4, argv) || !(program = handle_get(env, argv[0], &PROGRAM_TAG)) || !get_u32(env, argv[1], &attr.target_ifindex) ||
	    !get_u32(env, argv[2], &attr.attach_type) || !get_u32(env, argv[3], &attr.flags))
		return NULL;
	attr.prog_fd = program->fd;
	return fd_handle_wrap(env, sys_bpf(BPF_LINK_CREATE, &attr, sizeof(attr)), &LINK_TAG);
}

// union bpf_attr, BPF_PROG_QUERY with an attach type of tcx
struct tcx_query {
	uint32_t target_ifindex, attach_type, query_flags, attach_flags;
	uint64_t prog_ids;
	uint32_t count, padding;
	uint64_t prog_attach_flags, link_ids, link_attach_flags, revision;
};

#define MAX_CHAIN 64 // linux/bpf_mprog.h, BPF_MPROG_MAX

static napi_value js_tcx_query(napi_env env, napi_callback_info info)
{
	napi_value argv[2], item[1 + 2 * MAX_CHAIN];
	uint32_t programs[MAX_CHAIN] = { 0 }, links[MAX_CHAIN] = { 0 };
	struct tcx_query attr = { .prog_ids = (uintptr_t)programs, .link_ids = (uintptr_t)links, .count = MAX_CHAIN };
	long status;

	if (!get_args(env, info, 2, argv) || !get_u32(env, argv[0], &attr.target_ifindex) || !get_u32(env, argv[1], &attr.attach_type))
		return NULL;
	status = sys_bpf(BPF_PROG_QUERY, &attr, sizeof(attr));
	if (status < 0)
		return make_int(env, status);
	if (attr.count > MAX_CHAIN)
		attr.count = MAX_CHAIN;
	item[0] = make_int(env, attr.revision);
	for (uint32_t i = 0; i < attr.count; i++) {
		item[1 + 2 * i] = make_int(env, programs[i]);
		item[2 + 2 * i] = make_int(env, links[i]);
	}
	return make_array(env, item, 1 + 2 * attr.count);
}

static napi_value js_link_get_pinned(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
	char path[4096];

	if (!get_args(env, info, 1, argv) || !get_string(env, argv[0], path, sizeof(path)))
		return NULL;
	return wrap(env, bpf_obj_get(path));
}

static napi_value js_link_by_id(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
	uint32_t id;

	if (!get_args(env, info, 1, argv) || !get_u32(env, argv[0], &id))
		return NULL;
	return wrap(env, bpf_link_get_fd_by_id(id));
}

// [link, program, the program that must be in place | undefined]
static napi_value js_link_update(napi_env env, napi_callback_info info)
{
	napi_value argv[3];
	struct fd_handle *link, *program, *expected = NULL;
	LIBBPF_OPTS(bpf_link_update_opts, opts);

	if (!get_args(env, info, 3, argv) || !(link = handle_get(env, argv[0], &LINK_TAG)) || !(program = handle_get(env, argv[1], &PROGRAM_TAG)))
		return NULL;
	if (!is_undefined(env, argv[2]) && !(expected = handle_get(env, argv[2], &PROGRAM_TAG)))
		return NULL;
	if (expected) {
		opts.flags = BPF_F_REPLACE;
		opts.old_prog_fd = expected->fd;
	}
	return make_int(env, bpf_link_update(link->fd, program->fd, &opts));
}

static napi_value js_link_detach(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
	struct fd_handle *link;

	if (!get_args(env, info, 1, argv) || !(link = handle_get(env, argv[0], &LINK_TAG)))
		return NULL;
	return make_int(env, bpf_link_detach(link->fd));
}

// struct bpf_link_info: what is particular to a kind stands in its first three words, for the kinds that are read here
struct link_info {
	uint32_t type, id, prog_id, padding;
	uint32_t particular[3];
	char rest[100];
};

static napi_value js_link_info(napi_env env, napi_callback_info info)
{
	napi_value argv[1], item[6];
	struct fd_handle *handle;
	struct link_info link = { 0 };
	uint32_t size = sizeof(link);
	int status;

	if (!get_args(env, info, 1, argv) || !(handle = handle_get(env, argv[0], &LINK_TAG)))
		return NULL;
	status = bpf_obj_get_info_by_fd(handle->fd, &link, &size);
	if (status < 0)
		return make_int(env, status);
	item[0] = make_int(env, link.type);
	item[1] = make_int(env, link.id);
	item[2] = make_int(env, link.prog_id);
	for (size_t i = 0; i < 3; i++)
		item[3 + i] = make_int(env, link.particular[i]);
	return make_array(env, item, 6);
}

void init_link(napi_env env, napi_value exports)
{
	static const struct method methods[] = {
		{ "tcxAttach", js_tcx_attach },
		{ "tcxQuery", js_tcx_query },
		{ "linkGetPinned", js_link_get_pinned },
		{ "linkById", js_link_by_id },
		{ "linkUpdate", js_link_update },
		{ "linkDetach", js_link_detach },
		{ "linkInfo", js_link_info },
	};

	DEFINE_METHODS(env, exports, methods);
}
