// Module entry: one `struct addon` per environment, whose cleanup hook closes every handle still open.
#include "addon.h"
#include <bpf/libbpf.h>

void define_methods(napi_env env, napi_value exports, const struct method *methods, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		napi_value function;

		if (napi_create_function(env, methods[i].name, NAPI_AUTO_LENGTH, methods[i].call, NULL, &function) != napi_ok)
			return;
		if (napi_set_named_property(env, exports, methods[i].name, function) != napi_ok)
			return;
	}
}

struct addon *addon_of(napi_env env)
{
	void *data = NULL;

	napi_get_instance_data(env, &data);
	return data;
}

// Runs before the finalizers of the externals, which then find their handles closed.
static void on_env_exit(void *data)
{
	struct addon *addon = data;

	for (struct handle *handle = addon->handles; handle; handle = handle->next)
		handle_close(handle);
}

// Runs after every external has been finalized.
static void free_addon(napi_env env, void *data, void *hint)
{
	struct addon *addon = data;

	for (struct handle *handle = addon->handles; handle; handle = handle->next)
		handle->addon = NULL;
	log_free(&addon->log);
	free(addon);
}

NAPI_MODULE_INIT()
{
	struct addon *addon = calloc(1, sizeof(*addon));

	if (!addon || napi_set_instance_data(env, addon, free_addon, NULL) != napi_ok) {
		free(addon);
		napi_throw_error(env, NULL, "libbpf-napi: out of memory");
		return NULL;
	}
	addon->env = env;
	napi_add_env_cleanup_hook(env, on_env_exit, addon);
	init_util(env, exports);
	init_log(env, exports);
	init_object(env, exports);
	init_object_config(env, exports);
	init_map(env, exports);
	init_map_batch(env, exports);
	init_program(env, exports);
	init_link(env, exports);
	init_attach(env, exports);
	init_tc(env, exports);
	init_ringbuf(env, exports);
	init_btf(env, exports);
	init_features(env, exports);
	return exports;
}
