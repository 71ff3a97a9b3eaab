// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hf-pages FIRST: what the guest uses each page of a GiB of its memory for.
 *
 * Reads /proc/kpageflags from page FIRST on and prints runs of pages of one use, as a letter and a
 * length each: "f512a3k17" are 512 free pages, then 3 of programs, then 17 of the kernel. Fewer
 * pages than a GiB has are the last. A GiB at a time is a line that the agent's channel takes,
 * however many pieces the memory lies in. Letters: f free, a programs (anonymous, shared, locked or huge memory, and files that
 * live in memory only), c page cache, d page cache that is dirty or being written, k kernel (slab,
 * page tables, reserved), u without a mark (the kernel's too, on a CPU's list of free pages, or
 * taken out of the allocator for a moment), b balloon, n no memory.
 * Beside it: how many pages are on lists of CPUs (/proc/zoneinfo) and from which order on free
 * blocks are reported.
 * Prints {"order":…,"listed_pages":…,"pages":"…"}. What it takes itself is some ten pages.
 */
#include "hf-common.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#define PAGES ((size_t)1 << 18)
/* A letter and a digit for each page, if each has another use than its neighbours. */
#define TEXT_BYTES (2 * PAGES + 16)
#define WORDS ((size_t)2048)

/* Bits of /proc/kpageflags: Documentation/admin-guide/mm/pagemap.rst of the kernel. */
enum {
	UPTODATE = 3, DIRTY = 4, LRU = 5, SLAB = 7, WRITEBACK = 8, BUDDY = 10, ANON = 12, SWAPBACKED = 14,
	COMPOUND_TAIL = 16, HUGE = 17, UNEVICTABLE = 18, NOPAGE = 20, OFFLINE = 23, PGTABLE = 26,
	RESERVED = 32,
};

static char text[TEXT_BYTES];
static size_t used;

static int has(uint64_t flags, int bit)
{
	return flags >> bit & 1;
}

/* A tail of a compound page carries few marks of its own: it is what its head is. */
static char use_of(uint64_t flags, char before)
{
	if (has(flags, NOPAGE))
		return 'n';
	if (has(flags, BUDDY))
		return 'f';
	if (has(flags, COMPOUND_TAIL))
		return before;
	if (has(flags, OFFLINE))
		return 'b';
	if (has(flags, SLAB) || has(flags, PGTABLE) || has(flags, RESERVED))
		return 'k';
	if (has(flags, ANON) || has(flags, SWAPBACKED) || has(flags, HUGE) || has(flags, UNEVICTABLE))
		return 'a';
	if (has(flags, LRU) || has(flags, UPTODATE))
		return has(flags, DIRTY) || has(flags, WRITEBACK) ? 'd' : 'c';
	return 'u';
}

static void tell(char use, size_t pages)
{
	if (!pages)
		return;
	used += (size_t)snprintf(text + used, sizeof(text) - used, "%c%zu", use, pages);
}

static void tell_from(size_t first)
{
	static uint64_t words[WORDS];
	int file = open("/proc/kpageflags", O_RDONLY);
	size_t length = 0;
	ssize_t bytes;
	char use = 'n';

	if (file < 0)
		fail(EXIT_REFUSED, "cannot open /proc/kpageflags: %s; run it as root on a kernel with "
		     "CONFIG_PROC_PAGE_MONITOR.", strerror(errno));
	for (size_t seen = 0; seen < PAGES; seen += (size_t)bytes / sizeof(*words)) {
		bytes = pread(file, words, sizeof(words), (off_t)((first + seen) * sizeof(*words)));
		if (bytes < 0)
			fail(EXIT_REFUSED, "cannot read /proc/kpageflags: %s.", strerror(errno));
		if (!bytes)
			break;
		for (size_t i = 0; i < (size_t)bytes / sizeof(*words); i++) {
			char next = use_of(words[i], use);

			if (next != use) {
				tell(use, length);
				use = next;
				length = 0;
			}
			length++;
		}
	}
	tell(use, length);
	close(file);
}

/* Sum of what each CPU of each zone keeps on its lists. */
static size_t listed_pages(void)
{
	FILE *file = fopen("/proc/zoneinfo", "r");
	char line[256];
	size_t sum = 0, count;

	if (!file)
		fail(EXIT_REFUSED, "cannot open /proc/zoneinfo: %s.", strerror(errno));
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " count: %zu", &count) == 1)
			sum += count;
	fclose(file);
	return sum;
}

static int number_in(const char *path, const char *format)
{
	FILE *file = fopen(path, "r");
	char line[256];
	int number = -1;

	while (file && number < 0 && fgets(line, sizeof(line), file))
		if (sscanf(line, format, &number) != 1)
			number = -1;
	if (file)
		fclose(file);
	return number;
}

/* As free page reporting does it: its parameter, else the order of a page block. */
static int reported_order(void)
{
	int order = number_in("/sys/module/page_reporting/parameters/page_reporting_order", "%d");

	if (order >= 0 && order <= 16)
		return order;
	return number_in("/proc/pagetypeinfo", "Page block order: %d");
}

int main(int count, char **arguments)
{
	program = "hf-pages";
	if (count != 2)
		fail(EXIT_USAGE, "use it as: hf-pages FIRST.");

	size_t first = (size_t)whole_number("FIRST", arguments[1], 0, LONG_MAX / 16);
	/* Before the walk: what is on a list now has no mark then. */
	size_t listed = listed_pages();
	int order = reported_order();

	tell_from(first);
	printf("{\"order\":%d,\"listed_pages\":%zu,\"pages\":\"%s\"}\n", order, listed, text);
	return EXIT_SUCCESS;
}
