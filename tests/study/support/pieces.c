// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pieces MIB: touch twice MIB of memory in small pages, give every second run of 64 KiB back, and
 * hold the rest: MIB is free in pieces that no block of 2 MiB can be made of.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PIECE (64ul << 10)

int main(int argc, char **argv)
{
	size_t length = 2 * (argc > 1 ? strtoul(argv[1], NULL, 10) : 0) << 20;
	char *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (!length || memory == MAP_FAILED || madvise(memory, length, MADV_NOHUGEPAGE))
		return 1;
	for (size_t place = 0; place < length; place += 4096)
		memory[place] = 1;
	for (size_t place = 0; place < length; place += 2 * PIECE)
		if (madvise(memory + place, PIECE, MADV_DONTNEED))
			return 1;
	puts("held");
	fflush(stdout);
	pause();
	return 0;
}
