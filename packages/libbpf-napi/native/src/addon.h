// Shared by every file of the addon: handles, argument access, results, and the capture of libbpf's messages.
//
// Conventions. TypeScript validates and explains; C converts and calls. A function returns its result, or a negative
// errno as a number; messages that libbpf printed meanwhile are kept until takeLog() is called. Exceptions are thrown
// for misuse only (a wrong type, a foreign or closed handle), which the TypeScript side never lets happen.
#ifndef LIBBPF_NAPI_ADDON_H
#define LIBBPF_NAPI_ADDON_H

#include <errno.h>
#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// Messages of libbpf (verifier logs among them), kept whole up to LOG_LIMIT bytes.
struct log {
	char *text;
	size_t length, capacity;
};

// One per environment (the main thread, each worker).
struct addon {
	napi_env env;
	struct log log;
	struct handle *handles;
};

// What a JavaScript handle points at. `release` frees the kernel resource; the memory itself goes with the external.
struct handle {
	struct addon *addon;
	struct handle *next, *previous;
	void (*release)(struct handle *handle);
	bool closed;
	bool busy;          // used by another thread right now: closing waits for it
	bool close_pending; // closed while busy
};

// A map, program or link: a file descriptor, and for maps the sizes that buffers are checked against.
struct fd_handle {
	struct handle base;
	int fd;
	uint32_t key_size, value_size; // value_size as user space sees it: per-CPU maps have one slot per possible CPU
};

extern const napi_type_tag MAP_TAG, PROGRAM_TAG, LINK_TAG, OBJECT_TAG, RING_TAG, STATISTICS_TAG;

struct addon *addon_of(napi_env env);

// handles
void *handle_new(napi_env env, size_t size, void (*release)(struct handle *));
napi_value handle_wrap(napi_env env, struct handle *handle, const napi_type_tag *tag);
void *handle_get(napi_env env, napi_value value, const napi_type_tag *tag);
void handle_close(struct handle *handle);
void handle_done(struct handle *handle); // ends `busy`
napi_value fd_handle_wrap(napi_env env, int fd, const napi_type_tag *tag);
napi_value map_handle_wrap(napi_env env, int fd);
struct fd_handle *fd_handle_get(napi_env env, napi_value value); // of any kind
bool fd_is(int fd, const char *kind); // "anon_inode:bpf-map", "anon_inode:bpf-prog", "anon_inode:bpf_link"

// arguments: false (or NULL) means that an exception is pending
bool get_args(napi_env env, napi_callback_info info, size_t count, napi_value *argv);
bool get_u32(napi_env env, napi_value value, uint32_t *out);
bool get_u64(napi_env env, napi_value value, uint64_t *out); // from a number
bool get_bool(napi_env env, napi_value value, bool *out);
bool get_string(napi_env env, napi_value value, char *out, size_t size);
bool get_bytes(napi_env env, napi_value value, void **data, size_t *size);
bool get_optional_bytes(napi_env env, napi_value value, void **data, size_t *size); // undefined: NULL, 0
bool is_undefined(napi_env env, napi_value value);
bool require(napi_env env, bool condition, const char *message); // throws a RangeError

// results
napi_value make_int(napi_env env, int64_t value);
napi_value make_string(napi_env env, const char *text); // NULL gives undefined
napi_value make_bytes(napi_env env, const void *data, size_t size);
napi_value make_undefined(napi_env env);
napi_value make_array(napi_env env, const napi_value *items, size_t count);

// libbpf's messages: everything printed between the two goes to `log`, on this thread only; kept only of failures
void log_begin(struct log *log);
void log_end(bool failed);
void log_free(struct log *log);

// A job on a thread of the pool. `run` must not touch JavaScript; the promise resolves to [result, log | undefined].
struct job {
	int (*run)(struct job *job);
	struct handle *handle; // kept alive and busy meanwhile; may be NULL
	int result;
	struct log log;
	napi_async_work work;
	napi_deferred deferred;
	napi_ref keep;
};
napi_value job_start(napi_env env, const char *name, int (*run)(struct job *), struct handle *handle, napi_value keep);

long sys_bpf(int command, void *attr, unsigned int size);

struct method {
	const char *name;
	napi_callback call;
};
void define_methods(napi_env env, napi_value exports, const struct method *methods, size_t count);
#define DEFINE_METHODS(env, exports, methods) define_methods(env, exports, methods, sizeof(methods) / sizeof((methods)[0]))

void init_util(napi_env env, napi_value exports);
void init_log(napi_env env, napi_value exports);
void init_object(napi_env env, napi_value exports);
void init_object_config(napi_env env, napi_value exports);
void init_map(napi_env env, napi_value exports);
void init_map_batch(napi_env env, napi_value exports);
void init_program(napi_env env, napi_value exports);
void init_link(napi_env env, napi_value exports);
void init_attach(napi_env env, napi_value exports);
void init_tc(napi_env env, napi_value exports);
void init_ringbuf(napi_env env, napi_value exports);
void init_btf(napi_env env, napi_value exports);
void init_features(napi_env env, napi_value exports);

#endif
