// SPDX-License-Identifier: Apache-2.0
// Traffic for the benchmarks, where Node itself would be the bottleneck.
//   traffic rr|crr|stream CLIENT SERVER ADDR PORT SECONDS [SERVER-PORT]
//       CLIENT and SERVER are paths of network namespaces; the server listens on PORT unless on SERVER-PORT. Real connections from one to the other, both ends in this one
//       thread, one after the other: no sleeping, no waking, no scheduler. Prints transactions or bits per second of the
//       thread's CPU time, in which the kernel carries the packets the whole way.
//   traffic connect first|again CLIENT ADDR PORT SECONDS
//       connect(2) of UDP sockets, nothing is sent: the first of each of many sockets, or of one again and again. Prints
//       nanoseconds of CPU time per call.
//   traffic tick-send ADDR PORT MICROSECONDS    sends UDP datagrams that carry their time of sending
//   traffic tick-send-each ADDR PORT MICROSECONDS   the same, from a socket that is not connected
//   traffic tick-receive PORT MICROSECONDS      prints "up T" for the first datagram after a silence that long and
//                                               "down T" when one begins; T: CLOCK_MONOTONIC ns when it was sent
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUEST 64
#define CHUNK (128 * 1024)
#define CLOCK_STRIDE 32         // reading the CPU clock is a system call

static char buffer[CHUNK];

static void fail(const char *action)
{
	fprintf(stderr, "traffic: %s: %s\n", action, strerror(errno));
	exit(1);
}

static uint64_t now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
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

static void enter(const char *namespace)
{
	int fd = open(namespace, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET) != 0)
		fail(namespace);
	close(fd);
}

static int listen_on(const char *port, int type)
{
	struct addrinfo *address = resolve("::", port, type);
	int fd = socket(AF_INET6, type, 0), yes = 1, no = 0;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
	if (bind(fd, address->ai_addr, address->ai_addrlen) != 0)
		fail("bind");
	if (type == SOCK_STREAM && listen(fd, 128) != 0)
		fail("listen");
	return fd;
}

struct pair {
	int client;
	int server;
};

static void no_delay(int fd)
{
	int yes = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
}

static struct pair connect_pair(int listener, const struct addrinfo *address)
{
	struct pair pair = { .client = socket(address->ai_family, SOCK_STREAM, 0) };

	if (connect(pair.client, address->ai_addr, address->ai_addrlen) != 0)
		fail("connect");
	pair.server = accept(listener, NULL, NULL);
	if (pair.server < 0)
		fail("accept");
	no_delay(pair.client);
	no_delay(pair.server);
	return pair;
}

static void pass(int from, int to)
{
	size_t got = 0;

	if (send(from, buffer, REQUEST, 0) != REQUEST)
		fail("send");
	while (got < REQUEST) {
		ssize_t size = recv(to, buffer, REQUEST - got, 0);

		if (size <= 0)
			fail("recv");
		got += (size_t)size;
	}
}

// A request and its answer.
static uint64_t exchange(struct pair pair)
{
	pass(pair.client, pair.server);
	pass(pair.server, pair.client);
	return 1;
}

// The server closes first: TIME_WAIT is on its side and does not use up the client's ports.
static uint64_t whole_connection(int listener, const struct addrinfo *address)
{
	struct pair pair = connect_pair(listener, address);

	exchange(pair);
	close(pair.server);
	if (recv(pair.client, buffer, REQUEST, 0) != 0)
		fail("recv of the end");
	close(pair.client);
	return 1;
}

// As much as fits, then as much as has come. Returns bits.
static uint64_t stream(struct pair pair)
{
	uint64_t bytes = 0;
	ssize_t size;

	if (send(pair.client, buffer, sizeof(buffer), MSG_DONTWAIT) < 0 && errno != EAGAIN)
		fail("send");
	while ((size = recv(pair.server, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0)
		bytes += (uint64_t)size;
	if (size == 0 || errno != EAGAIN)
		fail("recv");
	return bytes * 8;
}

static void measure(char mode, int listener, const struct addrinfo *address, double seconds)
{
	struct pair pair = { -1, -1 };
	uint64_t begin, time, count = 0;

	if (mode != 'c')
		pair = connect_pair(listener, address);
	begin = now(CLOCK_THREAD_CPUTIME_ID);
	do {
		for (int i = 0; i < CLOCK_STRIDE; i++) {
			if (mode == 'r')
				count += exchange(pair);
			else if (mode == 'c')
				count += whole_connection(listener, address);
			else
				count += stream(pair);
		}
		time = now(CLOCK_THREAD_CPUTIME_ID) - begin;
	} while ((double)time < seconds * 1e9);
	printf("%.0f\n", (double)count / ((double)time / 1e9));
}

#define SOCKETS 512

// Sockets are made and closed off the clock.
static void measure_connect(int again, const struct addrinfo *address, double seconds)
{
	uint64_t begin, time = 0, count = 0;
	int fds[SOCKETS];

	do {
		for (int i = 0; i < SOCKETS; i++)
			if (!again || i == 0)
				fds[i] = socket(address->ai_family, SOCK_DGRAM, 0);
		if (again && connect(fds[0], address->ai_addr, address->ai_addrlen) != 0)
			fail("connect");
		begin = now(CLOCK_THREAD_CPUTIME_ID);
		for (int i = 0; i < SOCKETS; i++)
			if (connect(fds[again ? 0 : i], address->ai_addr, address->ai_addrlen) != 0)
				fail("connect");
		time += now(CLOCK_THREAD_CPUTIME_ID) - begin;
		count += SOCKETS;
		for (int i = 0; i < (again ? 1 : SOCKETS); i++)
			close(fds[i]);
	} while ((double)time < seconds * 1e9);
	printf("%.1f\n", (double)time / (double)count);
}

static void tick_send(const struct addrinfo *address, long interval, int each)
{
	int fd = socket(address->ai_family, SOCK_DGRAM, 0);
	struct timespec pause = { .tv_sec = interval / 1000000, .tv_nsec = interval % 1000000 * 1000 };

	if (!each && connect(fd, address->ai_addr, address->ai_addrlen) != 0)
		fail("connect");
	for (;;) {
		uint64_t time = now(CLOCK_MONOTONIC);

		// refused until the receiver listens
		sendto(fd, &time, sizeof(time), 0, each ? address->ai_addr : NULL, each ? address->ai_addrlen : 0);
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

	if (strcmp(mode, "tick-receive") == 0 && argc == 4) {
		tick_receive(argv[2], atol(argv[3]));
	} else if (strcmp(mode, "connect") == 0 && argc == 7) {
		enter(argv[3]);
		measure_connect(strcmp(argv[2], "again") == 0, resolve(argv[4], argv[5], SOCK_DGRAM), atof(argv[6]));
	} else if ((strcmp(mode, "tick-send") == 0 || strcmp(mode, "tick-send-each") == 0) && argc == 5) {
		tick_send(resolve(argv[2], argv[3], SOCK_DGRAM), atol(argv[4]), strcmp(mode, "tick-send-each") == 0);
	} else if ((strcmp(mode, "rr") == 0 || strcmp(mode, "crr") == 0 || strcmp(mode, "stream") == 0) && (argc == 7 || argc == 8)) {
		int listener;

		enter(argv[3]);
		listener = listen_on(argv[argc == 8 ? 7 : 5], SOCK_STREAM);
		enter(argv[2]);
		measure(mode[0], listener, resolve(argv[4], argv[5], SOCK_STREAM), atof(argv[6]));
	} else {
		fprintf(stderr, "usage: see the head of traffic.c\n");
		return 2;
	}
	return 0;
}
