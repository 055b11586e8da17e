#include "batch.h"
#include <stdlib.h>
#include <string.h>

struct batch *batch_new(void)
{
	return calloc(1, sizeof(struct batch));
}

void batch_free(struct batch *batch)
{
	if (!batch)
		return;
	free(batch->data);
	free(batch->index);
	free(batch);
}

static bool grow(void **memory, size_t size)
{
	void *larger = realloc(*memory, size);

	if (larger)
		*memory = larger;
	return larger != NULL;
}

bool batch_append(struct batch *batch, const void *data, size_t size)
{
	size_t padded = (size + 7) & ~(size_t)7;

	if (batch->used + padded > batch->capacity) {
		size_t capacity = (batch->used + padded) * 2;

		if (capacity > UINT32_MAX || !grow((void **)&batch->data, capacity))
			return false;
		batch->capacity = capacity;
	}
	if (batch->count == batch->index_capacity) {
		uint32_t capacity = batch->index_capacity ? batch->index_capacity * 2 : 64;

		if (!grow((void **)&batch->index, capacity * 2 * sizeof(uint32_t)))
			return false;
		batch->index_capacity = capacity;
	}
	memcpy(batch->data + batch->used, data, size);
	memset(batch->data + batch->used + size, 0, padded - size);
	batch->index[2 * batch->count] = batch->used;
	batch->index[2 * batch->count + 1] = size;
	batch->used += padded;
	batch->count++;
	return true;
}

void queue_init(struct batch_queue *queue, uint32_t limit, size_t batch_bytes)
{
	memset(queue, 0, sizeof(*queue));
	pthread_mutex_init(&queue->lock, NULL);
	queue->limit = limit;
	queue->batch_bytes = batch_bytes;
}

void queue_free(struct batch_queue *queue)
{
	while (queue->first) {
		struct batch *next = queue->first->next;

		batch_free(queue->first);
		queue->first = next;
	}
	pthread_mutex_destroy(&queue->lock);
}

void queue_lose(struct batch_queue *queue, uint32_t records)
{
	pthread_mutex_lock(&queue->lock);
	queue->lost += records;
	pthread_mutex_unlock(&queue->lock);
}

// Records that come one by one, each with a wake-up, would fill the queue with batches of one.
static bool merge(struct batch_queue *queue, struct batch *batch)
{
	struct batch *last = queue->last;

	if (!last || queue->lost > 0 || last->used + batch->used > queue->batch_bytes)
		return false;
	for (uint32_t i = 0; i < batch->count; i++)
		if (!batch_append(last, batch->data + batch->index[2 * i], batch->index[2 * i + 1]))
			queue->lost++;
	return true;
}

void queue_put(struct batch_queue *queue, struct batch *batch)
{
	pthread_mutex_lock(&queue->lock);
	if (merge(queue, batch)) {
		pthread_mutex_unlock(&queue->lock);
		batch_free(batch);
		return;
	}
	if (queue->length >= queue->limit) {
		queue->lost += batch->count;
		pthread_mutex_unlock(&queue->lock);
		batch_free(batch);
		return;
	}
	batch->lost = queue->lost;
	batch->next = NULL;
	queue->lost = 0;
	queue->length++;
	if (queue->last)
		queue->last->next = batch;
	else
		queue->first = batch;
	queue->last = batch;
	pthread_mutex_unlock(&queue->lock);
}

struct batch *queue_take(struct batch_queue *queue)
{
	struct batch *batch;

	pthread_mutex_lock(&queue->lock);
	batch = queue->first;
	if (batch) {
		queue->first = batch->next;
		queue->length--;
		if (!queue->first)
			queue->last = NULL;
	} else if (queue->lost > 0 && (batch = batch_new())) {
		batch->lost = queue->lost;
		queue->lost = 0;
	}
	pthread_mutex_unlock(&queue->lock);
	return batch;
}
