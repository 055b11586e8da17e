// One address and port that stand for another: translated when a socket connects, so packets never carry the former.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 service_address = 0; // all four in network order
const volatile __u32 service_port = 0;
const volatile __u32 backend_address = 0;
const volatile __u32 backend_port = 0;

SEC("cgroup/connect4")
int translate(struct bpf_sock_addr *ctx)
{
	if (ctx->user_ip4 == service_address && ctx->user_port == service_port) {
		ctx->user_ip4 = backend_address;
		ctx->user_port = backend_port;
	}
	return 1; // 0 would refuse the call
}

SEC("cgroup/getpeername4")
int translate_back(struct bpf_sock_addr *ctx)
{
	if (ctx->user_ip4 == backend_address && ctx->user_port == backend_port) {
		ctx->user_ip4 = service_address;
		ctx->user_port = service_port;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
