/* /dev/hello of Postern: its ioctls and what they carry. The same in Rust, with the meaning of each: abi/src/hello.rs. */
#ifndef POSTERN_HELLO_H
#define POSTERN_HELLO_H

#include <linux/types.h>
#include <linux/ioctl.h>

#define HELLO_IOC_MAGIC 'h'
#define HELLO_NAME_SIZE 64
#define HELLO_SLOTS_MAX 1024

/* The state of the ring that a file is bound to. */
struct hello_stat {
	__u64 cgroup;
	__u64 opens;
	__u64 bytes;
	__u64 allocations;
	__u64 recycles;
	__u64 merges;
	__u64 wakes;
	__u64 spurious_wakes;
	__u64 sleeps;
	__u64 waiting_bytes;
	__u32 slots;
	__u32 used_slots;
	__u32 readers;
	__u32 writers;
	char name[HELLO_NAME_SIZE];
};

/* Binds the file to a named channel of its control group: a string of 1 to 63 graphic characters without '/'. */
#define HELLO_IOC_CHANNEL _IOW(HELLO_IOC_MAGIC, 1, char[HELLO_NAME_SIZE])
/* The number of slots, each a page: a power of two up to HELLO_SLOTS_MAX. */
#define HELLO_IOC_SET_SLOTS _IOW(HELLO_IOC_MAGIC, 2, __u32)
#define HELLO_IOC_GET_SLOTS _IOR(HELLO_IOC_MAGIC, 3, __u32)
#define HELLO_IOC_STAT _IOR(HELLO_IOC_MAGIC, 4, struct hello_stat)

/* Makes the file, opened with O_RDWR, one side of a mapped ring; returns the bytes to map. See hello_ring.h. */
#define HELLO_IOC_RING _IOW(HELLO_IOC_MAGIC, 5, __u32)
#define HELLO_ROLE_PRODUCER 1
#define HELLO_ROLE_CONSUMER 2
/* Wakes who waits for the other side. */
#define HELLO_IOC_DOORBELL _IO(HELLO_IOC_MAGIC, 6)
/* Sleeps until this side can go on; returns poll(2)'s mask. */
#define HELLO_IOC_WAIT _IO(HELLO_IOC_MAGIC, 7)

#endif
