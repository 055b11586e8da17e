// libbpf's messages, captured instead of printed, and jobs on the thread pool, which carry a log of their own.
#include "addon.h"
#include <bpf/libbpf.h>
#include <stdio.h>

#define LOG_LIMIT (64u << 20)

// libbpf has one print function per process; which log it feeds is decided per thread.
static __thread struct log *sink;

static int on_print(enum libbpf_print_level level, const char *format, va_list args)
{
	struct log *log = sink;
	va_list again;
	int length;

	if (!log || level == LIBBPF_DEBUG)
		return 0;
	va_copy(again, args);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (length <= 0 || log->length + length > LOG_LIMIT)
		return 0;
	if (log->length + length + 1 > log->capacity) {
		size_t capacity = (log->length + length + 1) * 2;
		char *text = realloc(log->text, capacity);

		if (!text)
			return 0;
		log->text = text;
		log->capacity = capacity;
	}
	vsnprintf(log->text + log->length, length + 1, format, args);
	log->length += length;
	return length;
}

void log_begin(struct log *log)
{
	log->length = 0;
	sink = log;
}

void log_end(bool failed)
{
	if (!failed)
		sink->length = 0;
	sink = NULL;
}

void log_free(struct log *log)
{
	free(log->text);
	memset(log, 0, sizeof(*log));
}

static napi_value take(napi_env env, struct log *log)
{
	napi_value text = make_undefined(env);

	if (log->length > 0)
		napi_create_string_utf8(env, log->text, log->length, &text);
	log_free(log);
	return text;
}

static napi_value js_take_log(napi_env env, napi_callback_info info)
{
	return take(env, &addon_of(env)->log);
}

// --- jobs ---

static void job_execute(napi_env env, void *data)
{
	struct job *job = data;

	log_begin(&job->log);
	job->result = job->run(job);
	log_end(job->result < 0);
}

static void job_complete(napi_env env, napi_status status, void *data)
{
	struct job *job = data;
	napi_value items[2];

	if (job->handle)
		handle_done(job->handle);
	items[0] = make_int(env, status == napi_cancelled ? -ECANCELED : job->result);
	items[1] = take(env, &job->log);
	napi_resolve_deferred(env, job->deferred, make_array(env, items, 2));
	if (job->keep)
		napi_delete_reference(env, job->keep);
	napi_delete_async_work(env, job->work);
	free(job);
}

napi_value job_start(napi_env env, const char *name, int (*run)(struct job *), struct handle *handle, napi_value keep)
{
	struct job *job = calloc(1, sizeof(*job));
	napi_value promise, resource;

	if (!job)
		goto failed;
	job->run = run;
	job->handle = handle;
	resource = make_string(env, name);
	if (keep && napi_create_reference(env, keep, 1, &job->keep) != napi_ok)
		goto failed;
	if (napi_create_async_work(env, NULL, resource, job_execute, job_complete, job, &job->work) != napi_ok)
		goto failed;
	if (napi_create_promise(env, &job->deferred, &promise) != napi_ok)
		goto failed;
	if (handle)
		handle->busy = true;
	if (napi_queue_async_work(env, job->work) == napi_ok)
		return promise;
	if (handle)
		handle->busy = false;
failed:
	if (job && job->work)
		napi_delete_async_work(env, job->work);
	if (job && job->keep)
		napi_delete_reference(env, job->keep);
	free(job);
	napi_throw_error(env, NULL, "libbpf-napi: cannot start a job on the thread pool");
	return NULL;
}

void init_log(napi_env env, napi_value exports)
{
	static const struct method methods[] = {
		{ "takeLog", js_take_log },
	};

	libbpf_set_print(on_print);
	DEFINE_METHODS(env, exports, methods);
}
