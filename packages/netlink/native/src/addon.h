/* What the files of this addon share: argument checks and errors. TypeScript validates and explains; this converts and calls. */
#ifndef CT_NETLINK_ADDON_H
#define CT_NETLINK_ADDON_H

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_ARGUMENTS 4

/* Throws an Error with `code` (name of the errno), `errno` and `syscall`; returns NULL so that callers can return it. */
napi_value throw_errno(napi_env env, const char *syscall, int error);

/* Fetches exactly `count` arguments; false with a TypeError pending otherwise. */
bool arguments(napi_env env, napi_callback_info info, size_t count, napi_value *values);
bool int_argument(napi_env env, napi_value value, int32_t *result);
bool bytes_argument(napi_env env, napi_value value, uint8_t **data, size_t *length);
napi_value undefined_value(napi_env env);

napi_value run_in_namespace(napi_env env, napi_callback_info info);
napi_value is_network_namespace(napi_env env, napi_callback_info info);
napi_value namespace_cookie(napi_env env, napi_callback_info info);
napi_value create_namespace(napi_env env, napi_callback_info info);
napi_value delete_namespace(napi_env env, napi_callback_info info);
napi_value tune_netlink(napi_env env, napi_callback_info info);
napi_value netlink_drops(napi_env env, napi_callback_info info);
napi_value packet_open(napi_env env, napi_callback_info info);
napi_value packet_send(napi_env env, napi_callback_info info);
napi_value packet_receive(napi_env env, napi_callback_info info);
napi_value packet_close(napi_env env, napi_callback_info info);

#endif
