// Ring buffers: a thread of their own collects records into batches and tells JavaScript, once, that some are waiting.
#include "addon.h"
#include "batch.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct ring {
	struct handle base;
	napi_env env;
	struct ring_buffer *buffer;
	uint32_t interval_ms, batch_bytes;
	struct batch_queue queue;
	// The map has one reader at a time: the thread, or a call of drain(). Guards the members up to `thread`.
	pthread_mutex_t reader;
	struct batch *open;
	uint64_t budget, size; // bytes to read before looking up, so that a flood cannot keep a reader for ever
	pthread_t thread;
	int stop_fd, epoll_fd;
	napi_threadsafe_function notify;
	atomic_bool running, notified;
};

static void publish(struct ring *ring)
{
	if (!ring->open || ring->open->count == 0)
		return;
	queue_put(&ring->queue, ring->open);
	ring->open = NULL;
}

static int on_record(void *context, void *data, size_t size)
{
	struct ring *ring = context;

	if (!ring->open)
		ring->open = batch_new();
	if (!ring->open || !batch_append(ring->open, data, size))
		queue_lose(&ring->queue, 1);
	if (ring->open && ring->open->used >= ring->batch_bytes)
		publish(ring);
	ring->budget -= size + 8 < ring->budget ? size + 8 : ring->budget;
	return ring->budget == 0 ? -ECANCELED : 0;
}

// Reads what is there; true when there may be more.
static int consume(struct ring *ring)
{
	int status;

	pthread_mutex_lock(&ring->reader);
	ring->budget = ring->size;
	status = ring_buffer__consume(ring->buffer);
	publish(ring);
	pthread_mutex_unlock(&ring->reader);
	return status == -ECANCELED ? 1 : status < 0 ? status : 0;
}

static void tell(struct ring *ring)
{
	bool waiting;

	pthread_mutex_lock(&ring->queue.lock);
	waiting = ring->queue.length > 0 || ring->queue.lost > 0;
	pthread_mutex_unlock(&ring->queue.lock);
	if (waiting && !atomic_exchange(&ring->notified, true))
		napi_call_threadsafe_function(ring->notify, NULL, napi_tsfn_nonblocking);
}

static void *run(void *data)
{
	struct ring *ring = data;
	struct epoll_event events[2];

	while (atomic_load(&ring->running)) {
		// The time-out finds what was submitted without a wake-up.
		epoll_wait(ring->epoll_fd, events, 2, ring->interval_ms);
		while (atomic_load(&ring->running)) {
			int more = consume(ring);

			tell(ring);
			if (more != 1)
				break;
		}
	}
	return NULL;
}

static void stop_thread(struct ring *ring)
{
	uint64_t one = 1;

	if (!atomic_exchange(&ring->running, false))
		return;
	if (write(ring->stop_fd, &one, sizeof(one)) < 0) {
		// The thread looks at `running` after each interval anyway.
	}
	pthread_join(ring->thread, NULL);
}

static void on_env_exit(void *data)
{
	handle_close(data);
}

static void release_ring(struct handle *handle)
{
	struct ring *ring = (struct ring *)handle;

	stop_thread(ring);
	if (ring->notify) {
		napi_release_threadsafe_function(ring->notify, napi_tsfn_abort);
		napi_remove_env_cleanup_hook(ring->env, on_env_exit, ring);
	}
	if (ring->stop_fd >= 0)
		close(ring->stop_fd);
	if (ring->epoll_fd >= 0)
		close(ring->epoll_fd);
	ring_buffer__free(ring->buffer);
	batch_free(ring->open);
	queue_free(&ring->queue);
	pthread_mutex_destroy(&ring->reader);
}

static napi_value js_ring_open(napi_env env, napi_callback_info info)
{
	napi_value argv[2];
	struct bpf_map_info map_info = { 0 };
	uint32_t info_size = sizeof(map_info), *options;
	struct fd_handle *map;
	struct ring *ring;
	void *bytes;
	size_t size;
	int status;

	if (!get_args(env, info, 2, argv) || !(map = handle_get(env, argv[0], &MAP_TAG)) || !get_bytes(env, argv[1], &bytes, &size) ||
	    !require(env, size >= 12, "libbpf-napi: options too short"))
		return NULL;
	options = bytes;
	status = bpf_obj_get_info_by_fd(map->fd, &map_info, &info_size);
	if (status < 0)
		return make_int(env, status);
	if (!(ring = handle_new(env, sizeof(*ring), release_ring)))
		return NULL;
	ring->env = env;
	ring->interval_ms = options[0];
	ring->batch_bytes = options[1];
	ring->size = map_info.max_entries;
	ring->stop_fd = ring->epoll_fd = -1;
	queue_init(&ring->queue, options[2], ring->batch_bytes);
	pthread_mutex_init(&ring->reader, NULL);
	log_begin(&addon_of(env)->log);
	errno = 0;
	ring->buffer = ring_buffer__new(map->fd, on_record, ring, NULL);
	log_end(!ring->buffer);
	if (!ring->buffer) {
		status = errno ? -errno : -EINVAL;
		release_ring(&ring->base);
		free(ring);
		return make_int(env, status);
	}
	return handle_wrap(env, &ring->base, &RING_TAG);
}

// On the JavaScript thread. Without an environment the handle may be gone already.
static void on_notify(napi_env env, napi_value callback, void *context, void *data)
{
	napi_value undefined;

	if (!env || !callback)
		return;
	atomic_store(&((struct ring *)context)->notified, false);
	napi_get_undefined(env, &undefined);
	napi_call_function(env, undefined, callback, 0, NULL, NULL);
}

static int watch(int epoll_fd, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

// A thread that leaves signals to the others.
static int spawn(struct ring *ring)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	atomic_store(&ring->running, true);
	error = pthread_create(&ring->thread, NULL, run, ring);
	if (error)
		atomic_store(&ring->running, false);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -error;
}

static napi_value js_ring_start(napi_env env, napi_callback_info info)
{
	napi_value argv[3], name;
	struct ring *ring;
	bool keep_alive;

	if (!get_args(env, info, 3, argv) || !(ring = handle_get(env, argv[0], &RING_TAG)) || !get_bool(env, argv[2], &keep_alive))
		return NULL;
	if (ring->notify)
		return make_int(env, -EALREADY);
	ring->stop_fd = eventfd(0, EFD_CLOEXEC);
	ring->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (ring->stop_fd < 0 || ring->epoll_fd < 0 || watch(ring->epoll_fd, ring->stop_fd) < 0 ||
	    watch(ring->epoll_fd, ring_buffer__epoll_fd(ring->buffer)) < 0)
		return make_int(env, -errno);
	name = make_string(env, "libbpf-napi:ring");
	if (napi_create_threadsafe_function(env, argv[1], NULL, name, 0, 1, NULL, NULL, ring, on_notify, &ring->notify) != napi_ok) {
		ring->notify = NULL;
		napi_throw_type_error(env, NULL, "libbpf-napi: expected a function");
		return NULL;
	}
	// Added after the function's own hook, so it runs before it: the thread ends before the function goes.
	napi_add_env_cleanup_hook(env, on_env_exit, ring);
	if (!keep_alive)
		napi_unref_threadsafe_function(env, ring->notify);
	return make_int(env, spawn(ring));
}

static napi_value js_ring_consume(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
	struct ring *ring;
	int status;

	if (!get_args(env, info, 1, argv) || !(ring = handle_get(env, argv[0], &RING_TAG)))
		return NULL;
	status = consume(ring);
	return make_int(env, status);
}

static napi_value js_ring_take(napi_env env, napi_callback_info info)
{
	napi_value argv[1], item[3], buffer;
	struct ring *ring;
	struct batch *batch;
	void *index;
	size_t index_size;

	if (!get_args(env, info, 1, argv) || !(ring = handle_get(env, argv[0], &RING_TAG)))
		return NULL;
	batch = queue_take(&ring->queue);
	if (!batch)
		return make_undefined(env);
	index_size = (size_t)batch->count * 2 * sizeof(uint32_t);
	item[0] = make_bytes(env, batch->data, batch->used);
	if (napi_create_arraybuffer(env, index_size, &index, &buffer) == napi_ok && index_size > 0)
		memcpy(index, batch->index, index_size);
	napi_create_typedarray(env, napi_uint32_array, (size_t)batch->count * 2, buffer, 0, &item[1]);
	item[2] = make_int(env, batch->lost);
	batch_free(batch);
	return make_array(env, item, 3);
}

void init_ringbuf(napi_env env, napi_value exports)
{
	static const struct method methods[] = {
		{ "ringOpen", js_ring_open },
		{ "ringStart", js_ring_start },
		{ "ringConsume", js_ring_consume },
		{ "ringTake", js_ring_take },
	};

	DEFINE_METHODS(env, exports, methods);
}
