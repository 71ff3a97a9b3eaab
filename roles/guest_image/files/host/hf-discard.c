// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hf-discard: loaded before QEMU (LD_PRELOAD), it turns MADV_DONTNEED of the guest's memory into
 * MADV_FREE, and nothing else.
 *
 * What is the guest's memory, QEMU says itself: it asks that memory not to be copied into children
 * (MADV_DONTFORK) as a whole when it makes it, and asks so for nothing else. Only what lies inside
 * such a range becomes free lazily. The C library's own heap does not pass here: it calls the
 * kernel without this name.
 *
 * It needs no C library of its own, so one file fits the QEMU of every system.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define MOST_RANGES 64

struct range {
	uintptr_t first, end;
};

/* A range counts from when its end is written, and never changes: readers need no lock. QEMU keeps
 * a guest's memory until it ends. */
static struct range ranges[MOST_RANGES];
static unsigned int known;

static long kernel_madvise(void *address, size_t length, int advice)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(SYS_madvise), "D"(address), "S"(length), "d"((long)advice)
			 : "rcx", "r11", "memory");
	return result;
}

static void note(uintptr_t first, size_t length)
{
	unsigned int place = __atomic_fetch_add(&known, 1, __ATOMIC_RELAXED);

	if (place >= MOST_RANGES) /* more than a guest has; their memory is discarded as ever */
		return;
	ranges[place].first = first;
	__atomic_store_n(&ranges[place].end, first + length, __ATOMIC_RELEASE);
}

static int is_guests(uintptr_t first, size_t length)
{
	for (unsigned int i = 0; i < MOST_RANGES; i++) {
		uintptr_t end = __atomic_load_n(&ranges[i].end, __ATOMIC_ACQUIRE);

		if (first >= ranges[i].first && first < end && length <= end - first)
			return 1;
	}
	return 0;
}

int madvise(void *address, size_t length, int advice)
{
	uintptr_t first = (uintptr_t)address;
	long result;

	if (advice == MADV_DONTNEED && is_guests(first, length))
		advice = MADV_FREE;
	result = kernel_madvise(address, length, advice);
	if (result < 0) {
		errno = (int)-result;
		return -1;
	}
	if (advice == MADV_DONTFORK)
		note(first, length);
	return 0;
}
