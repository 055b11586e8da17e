// Programs of cgroups and network namespaces: what is asked for at 192.0.2.1 or 2001:db8::1 is somewhere else.
#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define AF_INET 2
#define VIP4 bpf_htonl(0xc0000201)
#define LOOPBACK4 bpf_htonl(0x7f000001)
#define DOC6 bpf_htonl(0x20010db8)

const volatile __u16 backend_port = 0;
__u64 calls[8] = {};

enum { CONNECT, SENDMSG, RECVMSG, GETPEERNAME, POST_BIND, LOOKUP, CREATE, SECOND };

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} sockets SEC(".maps");

static int to_backend4(struct bpf_sock_addr *ctx, int call)
{
	if (ctx->user_ip4 != VIP4)
		return 1;
	__sync_fetch_and_add(&calls[call], 1);
	ctx->user_ip4 = LOOPBACK4;
	ctx->user_port = bpf_htons(backend_port);
	return 1;
}

static int to_backend6(struct bpf_sock_addr *ctx, int call)
{
	if (ctx->user_ip6[0] != DOC6)
		return 1;
	__sync_fetch_and_add(&calls[call], 1);
	ctx->user_ip6[0] = 0;
	ctx->user_ip6[1] = 0;
	ctx->user_ip6[2] = 0;
	ctx->user_ip6[3] = bpf_htonl(1);
	ctx->user_port = bpf_htons(backend_port);
	return 1;
}

// Back again, for recvmsg and getpeername: 80 at the address that stands for the service.
static int to_service4(struct bpf_sock_addr *ctx, int call)
{
	if (ctx->user_ip4 != LOOPBACK4 || ctx->user_port != bpf_htons(backend_port))
		return 1;
	__sync_fetch_and_add(&calls[call], 1);
	ctx->user_ip4 = VIP4;
	ctx->user_port = bpf_htons(80);
	return 1;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	return to_backend4(ctx, CONNECT);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	return to_backend6(ctx, CONNECT);
}

SEC("cgroup/connect4")
int refuse4(struct bpf_sock_addr *ctx)
{
	if (ctx->user_ip4 != VIP4)
		return 1;
	bpf_set_retval(-EHOSTUNREACH);
	return 0;
}

SEC("cgroup/connect4")
int second4(struct bpf_sock_addr *ctx)
{
	__sync_fetch_and_add(&calls[SECOND], 1);
	return 1;
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx)
{
	return to_backend4(ctx, SENDMSG);
}

SEC("cgroup/recvmsg4")
int recvmsg4(struct bpf_sock_addr *ctx)
{
	return to_service4(ctx, RECVMSG);
}

SEC("cgroup/getpeername4")
int getpeername4(struct bpf_sock_addr *ctx)
{
	return to_service4(ctx, GETPEERNAME);
}

SEC("cgroup/post_bind4")
int post_bind4(struct bpf_sock *sk)
{
	__sync_fetch_and_add(&calls[POST_BIND], 1);
	return sk->src_port != 30080;
}

SEC("cgroup/sock_create")
int sock_create(struct bpf_sock *sk)
{
	__sync_fetch_and_add(&calls[CREATE], 1);
	return 1;
}

// Everything for 192.0.2.1, whatever the port, goes to the socket in the map.
SEC("sk_lookup")
int steer(struct bpf_sk_lookup *ctx)
{
	__u32 slot = ctx->protocol == IPPROTO_TCP ? 0 : 1;
	struct bpf_sock *sk;
	long status;

	if (ctx->family != AF_INET || ctx->local_ip4 != VIP4)
		return SK_PASS;
	sk = bpf_map_lookup_elem(&sockets, &slot);
	if (!sk)
		return SK_DROP;
	__sync_fetch_and_add(&calls[LOOKUP], 1);
	status = bpf_sk_assign(ctx, sk, 0);
	bpf_sk_release(sk);
	return status ? SK_DROP : SK_PASS;
}

SEC("sk_lookup")
int drop_all(struct bpf_sk_lookup *ctx)
{
	return ctx->family == AF_INET && ctx->local_ip4 == VIP4 ? SK_DROP : SK_PASS;
}

char _license[] SEC("license") = "GPL";
