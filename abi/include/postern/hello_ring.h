/*
 * The ring of /dev/hello as it is mapped, version 1. The same in Rust, with its tests: abi/src/ring.
 *
 * page 0                header      written by the kernel, before it can be mapped
 * page 1                consumer    struct hello_ring_words, written by the consumer
 * page 2 ...            producer    struct hello_ring_words, and from HELLO_RING_SLOT_TABLE on a __u32 a slot; by the producer
 * page header.data_page data        a page a slot, written by the producer
 *
 * A store to the other side's part is SIGBUS. Indices run freely; slot = index % slots.
 *
 * Producer: while head - tail == slots, wait. Fill the slot's page, store its descriptor (length << 16 | offset), store
 * head + 1 with release order, fence (seq_cst); if the consumer's waiting is set and its index is still the old head,
 * ioctl(HELLO_IOC_DOORBELL).
 * Consumer: while head (loaded with acquire order) == tail, wait. Check the descriptor: length 1 to 4096, within the page.
 * Read the record, store tail + 1 with release order, fence (seq_cst); if the producer's waiting is set and its index is
 * still the old tail + slots, ioctl(HELLO_IOC_DOORBELL).
 * To wait: set the own waiting, fence (seq_cst), look once more; if there is still nothing, ioctl(HELLO_IOC_WAIT) or
 * poll(2); clear waiting.
 */
#ifndef POSTERN_HELLO_RING_H
#define POSTERN_HELLO_RING_H

#include <linux/types.h>

#define HELLO_RING_MAGIC 0x474e5250u /* "PRNG" */
#define HELLO_RING_VERSION 1
#define HELLO_RING_PAGE_SIZE 4096
#define HELLO_RING_CONSUMER_PAGE 1
#define HELLO_RING_PRODUCER_PAGE 2
#define HELLO_RING_SLOT_TABLE 64

struct hello_ring_header {
	__u32 magic;
	__u32 version;
	__u32 slots;
	__u32 data_page;
	__u32 pages;
};

struct hello_ring_words {
	__u32 index;
	__u32 waiting;
};

#endif
