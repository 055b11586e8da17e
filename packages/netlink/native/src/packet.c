#include "addon.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Larger than any frame of a 64 KiB GRO packet with its headers. */
#define FRAME_MAX 69632
#define RECEIVE_BUFFER (4 << 20)

struct packet_socket {
	int fd;
};

static const napi_type_tag PACKET_TAG = { 0x8c0a4c9d6f2b4e11, 0xa9d13f57e0b2c664 };

static void release(struct packet_socket *packet)
{
	if (packet->fd >= 0)
		close(packet->fd);
	packet->fd = -1;
}

/* Also runs when the environment ends: what JavaScript left open is closed here. */
static void finalize(napi_env env, void *data, void *hint)
{
	release(data);
	free(data);
}

static struct packet_socket *packet_argument(napi_env env, napi_value value)
{
	struct packet_socket *packet;
	bool ours = false;

	if (napi_check_object_type_tag(env, value, &PACKET_TAG, &ours) != napi_ok || !ours ||
	    napi_unwrap(env, value, (void **)&packet) != napi_ok) {
		napi_throw_type_error(env, NULL, "expected a packet socket");
		return NULL;
	}
	if (packet->fd < 0) {
		throw_errno(env, "packet socket", EBADF);
		return NULL;
	}
	return packet;
}

static int open_bound(int ifindex)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = ifindex };
	const int size = RECEIVE_BUFFER;
	/* Protocol 0 until bound: otherwise frames of every device of the namespace arrive in between. */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address))) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* packetOpen(ifindex): an AF_PACKET socket of the calling thread's namespace, bound to one device. */
napi_value packet_open(napi_env env, napi_callback_info info)
{
	struct packet_socket *packet;
	napi_value args[1], handle;
	int32_t ifindex;
	int fd;

	if (!arguments(env, info, 1, args) || !int_argument(env, args[0], &ifindex))
		return NULL;
	fd = open_bound(ifindex);
	if (fd < 0)
		return throw_errno(env, "open packet socket", errno);
	packet = malloc(sizeof(*packet));
	if (!packet) {
		close(fd);
		return throw_errno(env, "malloc", ENOMEM);
	}
	packet->fd = fd;
	napi_create_object(env, &handle);
	if (napi_wrap(env, handle, packet, finalize, NULL, NULL) != napi_ok) {
		finalize(env, packet, NULL);
		return NULL;
	}
	napi_type_tag_object(env, handle, &PACKET_TAG);
	return handle;
}

/* packetSend(handle, frame): false where the device's queue is full. */
napi_value packet_send(napi_env env, napi_callback_info info)
{
	struct packet_socket *packet;
	napi_value args[2], result;
	size_t length;
	uint8_t *data;
	bool sent;

	if (!arguments(env, info, 2, args) || !(packet = packet_argument(env, args[0])) ||
	    !bytes_argument(env, args[1], &data, &length))
		return NULL;
	sent = send(packet->fd, data, length, 0) >= 0;
	if (!sent && errno != EAGAIN && errno != ENOBUFS)
		return throw_errno(env, "send", errno);
	napi_get_boolean(env, sent, &result);
	return result;
}

/* packetReceive(handle): the next waiting frame with its packet type (PACKET_HOST …) put in front as one byte, or undefined. */
napi_value packet_receive(napi_env env, napi_callback_info info)
{
	struct sockaddr_ll from = { 0 };
	socklen_t from_length = sizeof(from);
	struct packet_socket *packet;
	static _Thread_local uint8_t frame[FRAME_MAX];
	napi_value args[1], buffer, result;
	uint8_t *data;
	ssize_t length;

	if (!arguments(env, info, 1, args) || !(packet = packet_argument(env, args[0])))
		return NULL;
	length = recvfrom(packet->fd, frame, sizeof(frame), 0, (struct sockaddr *)&from, &from_length);
	if (length < 0)
		/* ENETDOWN is told once when the device goes down; frames come again when it is up. */
		return errno == EAGAIN || errno == ENETDOWN ? undefined_value(env) : throw_errno(env, "recvfrom", errno);
	if (napi_create_arraybuffer(env, (size_t)length + 1, (void **)&data, &buffer) != napi_ok)
		return NULL;
	data[0] = from.sll_pkttype;
	memcpy(data + 1, frame, (size_t)length);
	napi_create_typedarray(env, napi_uint8_array, (size_t)length + 1, buffer, 0, &result);
	return result;
}

napi_value packet_close(napi_env env, napi_callback_info info)
{
	napi_value args[1];
	struct packet_socket *packet;

	if (!arguments(env, info, 1, args) || !(packet = packet_argument(env, args[0])))
		return NULL;
	release(packet);
	return undefined_value(env);
}
