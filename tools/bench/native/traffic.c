// SPDX-License-Identifier: Apache-2.0
// Traffic for the benchmarks, where Node itself would be the bottleneck. One thread, blocking calls.
//   traffic serve PORT                          echoes connections one after the other, or swallows a stream
//   traffic rr|crr|stream ADDR PORT SECONDS     prints transactions or bits per second
//   traffic tick-send ADDR PORT MICROSECONDS    sends UDP datagrams that carry their time of sending
//   traffic tick-receive PORT MICROSECONDS      prints "up T" for the first datagram after a silence that long and
//                                               "down T" when one begins; T: CLOCK_MONOTONIC ns when it was sent
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUEST 64
#define CHUNK (128 * 1024)

static char buffer[CHUNK];

static void fail(const char *action)
{
	fprintf(stderr, "traffic: %s: %s\n", action, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static struct addrinfo *resolve(const char *address, const char *port, int type)
{
	struct addrinfo hints = { .ai_socktype = type, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV }, *found;

	if (getaddrinfo(address, port, &hints, &found) != 0) {
		fprintf(stderr, "traffic: no address and port: %s %s\n", address, port);
		exit(2);
	}
	return found;
}

static int listen_on(const char *port, int type)
{
	struct addrinfo *address = resolve("::", port, type);
	int fd = socket(AF_INET6, type, 0), yes = 1, no = 0;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
	if (bind(fd, address->ai_addr, address->ai_addrlen) != 0)
		fail("bind");
	if (type == SOCK_STREAM && listen(fd, 1024) != 0)
		fail("listen");
	return fd;
}

static int connect_to(const struct addrinfo *address)
{
	int fd = socket(address->ai_family, SOCK_STREAM, 0), yes = 1;

	if (connect(fd, address->ai_addr, address->ai_addrlen) != 0)
		fail("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	return fd;
}

// A stream begins with 's' and gets no answer. After one answer to a request that begins with 'c' the server closes, so
// that TIME_WAIT is on its side and does not use up the client's ports.
static void serve(const char *port)
{
	int listener = listen_on(port, SOCK_STREAM), yes = 1;

	for (;;) {
		int fd = accept(listener, NULL, NULL);
		ssize_t size;

		if (fd < 0)
			fail("accept");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
		while ((size = recv(fd, buffer, sizeof(buffer), 0)) > 0) {
			if (buffer[0] == 's')
				continue;
			if (send(fd, buffer, (size_t)size, MSG_NOSIGNAL) != size || buffer[0] == 'c')
				break;
		}
		close(fd);
	}
}

static void exchange(int fd)
{
	size_t got = 0;

	if (send(fd, buffer, REQUEST, MSG_NOSIGNAL) != REQUEST)
		fail("send");
	while (got < REQUEST) {
		ssize_t size = recv(fd, buffer, REQUEST - got, 0);

		if (size <= 0)
			fail("recv");
		got += (size_t)size;
	}
}

static void client(const char *mode, const struct addrinfo *address, double seconds)
{
	uint64_t begin, end, count = 0, unit = 1;
	int fd = -1;

	memset(buffer, mode[0], sizeof(buffer));
	if (strcmp(mode, "crr") != 0)
		fd = connect_to(address);
	begin = now();
	end = begin + (uint64_t)(seconds * 1e9);
	if (strcmp(mode, "stream") == 0)
		unit = 8;
	while (now() < end) {
		if (unit == 8) {
			ssize_t size = send(fd, buffer, sizeof(buffer), MSG_NOSIGNAL);

			if (size < 0)
				fail("send");
			count += (uint64_t)size;
			continue;
		}
		if (mode[0] == 'c')
			fd = connect_to(address);
		exchange(fd);
		if (mode[0] == 'c') {
			recv(fd, buffer + REQUEST, REQUEST, 0);         // the server's end
			close(fd);
		}
		count++;
	}
	printf("%.0f\n", (double)(count * unit) / ((double)(now() - begin) / 1e9));
}

static void tick_send(const struct addrinfo *address, long interval)
{
	int fd = socket(address->ai_family, SOCK_DGRAM, 0);
	struct timespec pause = { .tv_sec = interval / 1000000, .tv_nsec = interval % 1000000 * 1000 };

	if (connect(fd, address->ai_addr, address->ai_addrlen) != 0)
		fail("connect");
	for (;;) {
		uint64_t time = now();

		send(fd, &time, sizeof(time), 0);       // refused until the receiver listens
		nanosleep(&pause, NULL);
	}
}

static void tick_receive(const char *port, long silence)
{
	struct pollfd wait = { .fd = listen_on(port, SOCK_DGRAM), .events = POLLIN };
	struct timespec limit = { .tv_sec = silence / 1000000, .tv_nsec = silence % 1000000 * 1000 };
	uint64_t last = 0, time;
	int up = 0;

	for (;;) {
		if (ppoll(&wait, 1, up ? &limit : NULL, NULL) == 0) {
			printf("down %llu\n", (unsigned long long)last);
			up = 0;
		} else if (recv(wait.fd, &time, sizeof(time), 0) == sizeof(time)) {
			if (!up)
				printf("up %llu\n", (unsigned long long)time);
			up = 1;
			last = time;
		}
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	signal(SIGPIPE, SIG_IGN);
	if (strcmp(mode, "serve") == 0 && argc == 3)
		serve(argv[2]);
	else if (strcmp(mode, "tick-receive") == 0 && argc == 4)
		tick_receive(argv[2], atol(argv[3]));
	else if (strcmp(mode, "tick-send") == 0 && argc == 5)
		tick_send(resolve(argv[2], argv[3], SOCK_DGRAM), atol(argv[4]));
	else if ((strcmp(mode, "rr") == 0 || strcmp(mode, "crr") == 0 || strcmp(mode, "stream") == 0) && argc == 5)
		client(mode, resolve(argv[2], argv[3], SOCK_STREAM), atof(argv[4]));
	else {
		fprintf(stderr, "usage: see the head of traffic.c\n");
		return 2;
	}
	return 0;
}
