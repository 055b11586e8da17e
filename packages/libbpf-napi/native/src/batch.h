// Records copied out of a ring buffer, and the bounded queue in which batches of them wait for JavaScript.
#ifndef LIBBPF_NAPI_BATCH_H
#define LIBBPF_NAPI_BATCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch {
	struct batch *next;
	char *data;
	size_t used, capacity;
	uint32_t *index; // offset and length of each record
	uint32_t count, index_capacity;
	uint32_t lost; // records thrown away before this batch
};

struct batch_queue {
	pthread_mutex_t lock;
	struct batch *first, *last;
	uint32_t length, limit;
	size_t batch_bytes; // a batch that waits is filled up to this size
	uint32_t lost; // since the last batch that found room
};

struct batch *batch_new(void);
void batch_free(struct batch *batch);
bool batch_append(struct batch *batch, const void *data, size_t size);

void queue_init(struct batch_queue *queue, uint32_t limit, size_t batch_bytes);
void queue_free(struct batch_queue *queue);
// Takes the batch; when the queue is full it is thrown away and counted.
void queue_put(struct batch_queue *queue, struct batch *batch);
void queue_lose(struct batch_queue *queue, uint32_t records);
// The oldest batch; an empty one when there is nothing but losses to report; NULL when there is nothing.
struct batch *queue_take(struct batch_queue *queue);

#endif
