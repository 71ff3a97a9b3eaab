/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the programs share: time, arguments, errors, memory. */
#ifndef HF_COMMON_H
#define HF_COMMON_H

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define MIB ((size_t)1 << 20)
/* The page size of x86, the only architecture our guests have. */
#define PAGE ((size_t)4096)

/* Exit codes: 1 the machine refused, 2 the arguments are wrong, 3 memory did not keep its content. */
enum { EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_CORRUPTED = 3 };

static const char *program;

/* Say one sentence on stderr, after the program's name, and exit. */
__attribute__((noreturn, format(printf, 2, 3))) static inline void fail(int code, const char *format,
									 ...)
{
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "%s: ", program);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	exit(code);
}

static inline double monotonic_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* A whole number from low to high; anything else ends the program. */
static inline long whole_number(const char *what, const char *text, long low, long high)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || end == text || *end || value < low || value > high)
		fail(EXIT_USAGE, "%s is '%s' but must be a whole number from %ld to %ld.", what, text, low,
		     high);
	return value;
}

/* A number of seconds above 0; anything else ends the program. */
static inline double positive_seconds(const char *what, const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value > 0 && value <= 86400))
		fail(EXIT_USAGE, "%s is '%s' but must be a number above 0, at most 86400.", what, text);
	return value;
}

/* Private anonymous memory that nobody has touched yet. */
static inline unsigned char *map_untouched(size_t bytes)
{
	void *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		fail(EXIT_REFUSED, "cannot map %zu MiB: %s; ask for less or give the guest more memory.",
		     bytes / MIB, strerror(errno));
	return memory;
}

/* Spread a page's number over 64 bits (the finaliser of MurmurHash3, a bijection). */
static inline uint64_t mark(uint64_t page_number)
{
	uint64_t x = page_number + 1;

	x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdULL;
	x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ULL;
	return x ^ (x >> 33);
}

#endif
