// An object under construction or loaded; shared by object.c and object_config.c.
#ifndef LIBBPF_NAPI_OBJECT_H
#define LIBBPF_NAPI_OBJECT_H

#include "addon.h"
#include <bpf/libbpf.h>

struct object {
	struct handle base;
	struct bpf_object *bpf;
	void *bytes; // libbpf reads an object opened from memory until it is loaded
	int *templates; // inner maps given by descriptor: libbpf takes no reference of its own
	size_t template_count;
};

// [object, name, …] → map or program, NULL when there is none of that name; false when an exception is pending
bool get_map(napi_env env, napi_value *argv, struct bpf_map **map);
bool get_program(napi_env env, napi_value *argv, struct bpf_program **program);

// Global data carries the object's name before the section's: "lxc.rodata". The section alone tells it apart.
const char *map_name(const struct bpf_map *map);

#endif
