#include "addon.h"

#include <stdio.h>
#include <string.h>

napi_value throw_errno(napi_env env, const char *syscall, int error)
{
	const char *name = strerrorname_np(error);
	char text[256];
	napi_value message, code, exception, number, call;

	snprintf(text, sizeof(text), "%s: %s (%s)", syscall, strerrordesc_np(error), name ? name : "unknown");
	napi_create_string_utf8(env, name ? name : "UNKNOWN", NAPI_AUTO_LENGTH, &code);
	napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &message);
	napi_create_error(env, code, message, &exception);
	napi_create_int32(env, error, &number);
	napi_set_named_property(env, exception, "errno", number);
	napi_create_string_utf8(env, syscall, NAPI_AUTO_LENGTH, &call);
	napi_set_named_property(env, exception, "syscall", call);
	napi_throw(env, exception);
	return NULL;
}

bool arguments(napi_env env, napi_callback_info info, size_t count, napi_value *values)
{
	size_t given = MAX_ARGUMENTS;
	napi_value all[MAX_ARGUMENTS];

	napi_get_cb_info(env, info, &given, all, NULL, NULL);
	if (given != count) {
		napi_throw_type_error(env, NULL, "wrong number of arguments");
		return false;
	}
	memcpy(values, all, count * sizeof(*values));
	return true;
}

bool int_argument(napi_env env, napi_value value, int32_t *result)
{
	if (napi_get_value_int32(env, value, result) == napi_ok)
		return true;
	napi_throw_type_error(env, NULL, "expected an integer");
	return false;
}

bool bytes_argument(napi_env env, napi_value value, uint8_t **data, size_t *length)
{
	napi_typedarray_type type;
	napi_value buffer;
	size_t offset;

	if (napi_get_typedarray_info(env, value, &type, length, (void **)data, &buffer, &offset) == napi_ok &&
	    type == napi_uint8_array)
		return true;
	napi_throw_type_error(env, NULL, "expected a Uint8Array");
	return false;
}

napi_value undefined_value(napi_env env)
{
	napi_value value;

	napi_get_undefined(env, &value);
	return value;
}

NAPI_MODULE_INIT()
{
	static const struct {
		const char *name;
		napi_callback call;
	} functions[] = {
		{ "runInNamespace", run_in_namespace },
		{ "isNetworkNamespace", is_network_namespace },
		{ "namespaceCookie", namespace_cookie },
		{ "createNamespace", create_namespace },
		{ "deleteNamespace", delete_namespace },
		{ "tuneNetlink", tune_netlink },
		{ "netlinkDrops", netlink_drops },
		{ "packetOpen", packet_open },
		{ "packetSend", packet_send },
		{ "packetReceive", packet_receive },
		{ "packetClose", packet_close },
	};

	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		napi_value function;

		napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].call, NULL, &function);
		napi_set_named_property(env, exports, functions[i].name, function);
	}
	return exports;
}
