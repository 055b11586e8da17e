// Loaded programs: information and test runs.
#include "addon.h"
#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static napi_value wrap(napi_env env, int fd)
{
	if (fd >= 0 && !fd_is(fd, "anon_inode:bpf-prog")) {
		close(fd);
		fd = -EINVAL;
	}
	return fd_handle_wrap(env, fd, &PROGRAM_TAG);
}

static napi_value js_program_get_pinned(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
	char path[4096];

	if (!get_args(env, info, 1, argv) || !get_string(env, argv[0], path, sizeof(path)))
		return NULL;
	return wrap(env, bpf_obj_get(path));
}

static napi_value js_program_by_id(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
	uint32_t id;

	if (!get_args(env, info, 1, argv) || !get_u32(env, argv[0], &id))
		return NULL;
	return wrap(env, bpf_prog_get_fd_by_id(id));
}

static napi_value js_program_dup(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
	struct fd_handle *program;
	int fd;

	if (!get_args(env, info, 1, argv) || !(program = handle_get(env, argv[0], &PROGRAM_TAG)))
		return NULL;
	fd = fcntl(program->fd, F_DUPFD_CLOEXEC, 3);
	return fd_handle_wrap(env, fd < 0 ? -errno : fd, &PROGRAM_TAG);
}

#define MAX_MAPS 64 // kernel/bpf/verifier.c, MAX_USED_MAPS

static napi_value js_program_info(napi_env env, napi_callback_info info)
{
	napi_value argv[1], item[11 + MAX_MAPS];
	struct bpf_prog_info program = { 0 };
	uint32_t maps[MAX_MAPS], size = sizeof(program), count;
	struct fd_handle *handle;
	char tag[2 * BPF_TAG_SIZE + 1];
	int status;

	if (!get_args(env, info, 1, argv) || !(handle = handle_get(env, argv[0], &PROGRAM_TAG)))
		return NULL;
	program.map_ids = (uintptr_t)maps;
	program.nr_map_ids = MAX_MAPS;
	status = bpf_obj_get_info_by_fd(handle->fd, &program, &size);
	if (status < 0)
		return make_int(env, status);
	for (size_t i = 0; i < BPF_TAG_SIZE; i++)
		snprintf(tag + 2 * i, 3, "%02x", program.tag[i]);
	item[0] = make_int(env, program.type);
	item[1] = make_int(env, program.id);
	item[2] = make_string(env, program.name);
	item[3] = make_string(env, tag);
	item[4] = make_int(env, program.verified_insns);
	item[5] = make_int(env, program.jited_prog_len);
	item[6] = make_int(env, program.xlated_prog_len);
	item[7] = make_int(env, program.load_time);
	item[8] = make_int(env, program.run_time_ns);
	item[9] = make_int(env, program.run_cnt);
	item[10] = make_int(env, program.btf_id);
	count = program.nr_map_ids < MAX_MAPS ? program.nr_map_ids : MAX_MAPS;
	for (uint32_t i = 0; i < count; i++)
		item[11 + i] = make_int(env, maps[i]);
	return make_array(env, item, 11 + count);
}

// [program, dataIn, dataInSize, dataOut, ctxIn, ctxOut, [repeat, flags, cpu], result] → result: [retval, dataOut size, ctxOut size, ns]
// Nanoseconds that this thread has spent on a CPU.
static uint64_t cpu_time(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static napi_value js_test_run(napi_env env, napi_callback_info info)
{
	napi_value argv[8];
	struct fd_handle *program;
	void *data_in, *data_out, *ctx_in, *ctx_out, *options, *result;
	size_t in_size, out_size, ctx_in_size, ctx_out_size, options_size, result_size;
	uint32_t used, *numbers;
	uint64_t cpu;
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	int status;

	if (!get_args(env, info, 8, argv) || !(program = handle_get(env, argv[0], &PROGRAM_TAG)) || !get_optional_bytes(env, argv[1], &data_in, &in_size) ||
	    !get_u32(env, argv[2], &used) || !get_optional_bytes(env, argv[3], &data_out, &out_size) ||
	    !get_optional_bytes(env, argv[4], &ctx_in, &ctx_in_size) || !get_optional_bytes(env, argv[5], &ctx_out, &ctx_out_size) ||
	    !get_bytes(env, argv[6], &options, &options_size) || !get_bytes(env, argv[7], &result, &result_size))
		return NULL;
	if (!require(env, used <= in_size && options_size >= 12 && result_size >= 24, "libbpf-napi: buffer too short"))
		return NULL;
	numbers = options;
	opts.data_in = used ? data_in : NULL;
	opts.data_size_in = used;
	opts.data_out = out_size ? data_out : NULL;
	opts.data_size_out = out_size;
	opts.ctx_in = ctx_in_size ? ctx_in : NULL;
	opts.ctx_size_in = ctx_in_size;
	opts.ctx_out = ctx_out_size ? ctx_out : NULL;
	opts.ctx_size_out = ctx_out_size;
	opts.repeat = numbers[0];
	opts.flags = numbers[1];
	opts.cpu = numbers[2];
	cpu = cpu_time();
	status = bpf_prog_test_run_opts(program->fd, &opts);
	cpu = cpu_time() - cpu;
	if (status < 0)
		return make_int(env, status);
	numbers = result;
	numbers[0] = opts.retval;
	numbers[1] = opts.data_size_out < out_size ? opts.data_size_out : out_size;
	numbers[2] = opts.ctx_size_out < ctx_out_size ? opts.ctx_size_out : ctx_out_size;
	numbers[3] = opts.duration;
	numbers[4] = (uint32_t)cpu;
	numbers[5] = (uint32_t)(cpu >> 32);
	return make_int(env, 0);
}

void init_program(napi_env env, napi_value exports)
{
	static const struct method methods[] = {
		{ "programGetPinned", js_program_get_pinned },
		{ "programById", js_program_by_id },
		{ "programDup", js_program_dup },
		{ "programInfo", js_program_info },
		{ "programTestRun", js_test_run },
	};

	DEFINE_METHODS(env, exports, methods);
}
