// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hf-churn --mib M --seconds S --seed N: allocate, touch and free all the time.
 *
 * Holds half of M MiB in pieces at first, then frees or allocates pieces at random, between nothing
 * and M MiB. Pieces are from 64 KiB to 4 MiB, sizes evenly spread on a logarithmic scale. Each is
 * mapped from and given back to the kernel by itself. A piece's pages are written to once, which is
 * the operation that is timed, and read back before the piece is freed: a page that lost its content
 * ends the program. What is written depends on the seed and on when the piece was made.
 * Prints {"operations":…,"touched_mib":…,"seconds":…,"p50_ms":…,"p99_ms":…,"p999_ms":…}; percentiles
 * are exact (nearest rank over all operations).
 */
#include "hf-common.h"
#include "hf-percentile.h"

#include <getopt.h>
#include <limits.h>

#define SMALLEST_PAGES ((size_t)16)
#define SIZE_OCTAVES 6
/* Beyond what memory can do with pieces of this size: more end the program early, not wrongly. */
#define OPERATIONS_PER_SECOND 50000

struct piece {
	uint64_t *memory;
	size_t pages;
	uint64_t own;
};

static uint64_t random_state;

/* The next 64 bits of the sequence that the seed begins. */
static uint64_t next_random(void)
{
	random_state += 0x9e3779b97f4a7c15ULL;
	return mark(random_state);
}

static size_t random_pages(void)
{
	double share = (double)(next_random() >> 11) / (double)(1ULL << 53);

	return (size_t)((double)SMALLEST_PAGES * exp2(share * SIZE_OCTAVES));
}

/* Allocate and touch a piece; the nanoseconds that took. */
static uint64_t make_piece(struct piece *piece, size_t pages)
{
	double started = monotonic_seconds();

	piece->pages = pages;
	piece->own = next_random();
	piece->memory = (uint64_t *)map_untouched(pages * PAGE);
	for (size_t i = 0; i < pages; i++)
		*(volatile uint64_t *)(piece->memory + i * (PAGE / sizeof(uint64_t))) = mark(i) ^ piece->own;
	return (uint64_t)((monotonic_seconds() - started) * 1e9);
}

static void free_piece(const struct piece *piece)
{
	for (size_t i = 0; i < piece->pages; i++) {
		uint64_t word = *(volatile uint64_t *)(piece->memory + i * (PAGE / sizeof(uint64_t)));

		if (word != (mark(i) ^ piece->own))
			fail(EXIT_CORRUPTED,
			     "page %zu of a piece of %zu holds %016llx instead of %016llx: the memory lost its "
			     "content; do not trust this kernel's page hinting.",
			     i, piece->pages, (unsigned long long)word,
			     (unsigned long long)(mark(i) ^ piece->own));
	}
	munmap(piece->memory, piece->pages * PAGE);
}

int main(int count, char **arguments)
{
	static const struct option options[] = { { "mib", required_argument, NULL, 'm' },
						 { "seconds", required_argument, NULL, 's' },
						 { "seed", required_argument, NULL, 'n' },
						 { 0 } };
	double seconds = 0;
	long mib = 0, seed = -1;
	int option;

	program = "hf-churn";
	while ((option = getopt_long(count, arguments, "", options, NULL)) != -1) {
		if (option == 'm')
			mib = whole_number("--mib", optarg, 8, 1 << 24);
		else if (option == 's')
			seconds = positive_seconds("--seconds", optarg);
		else if (option == 'n')
			seed = whole_number("--seed", optarg, 0, LONG_MAX);
		else
			break;
	}
	if (option != -1 || optind != count || !mib || !(seconds > 0) || seed < 0)
		fail(EXIT_USAGE, "use it as: hf-churn --mib M --seconds S --seed N.");

	size_t most_pages = (size_t)mib * MIB / PAGE, held_pages = 0, touched_pages = 0;
	size_t pieces = 0, operations = 0, most_operations = (size_t)(seconds * OPERATIONS_PER_SECOND) + 1;
	struct piece *held = calloc(most_pages / SMALLEST_PAGES, sizeof(*held));
	uint64_t *took_ns = (uint64_t *)map_untouched(most_operations * sizeof(*took_ns));

	if (!held)
		fail(EXIT_REFUSED, "cannot list the pieces: %s; ask for less.", strerror(errno));
	random_state = mark((uint64_t)seed);

	double started = monotonic_seconds(), now = started;

	for (int filled = 0; now - started < seconds && operations < most_operations;
	     now = monotonic_seconds()) {
		size_t pages = random_pages();

		/* Half is filled before anything is freed; from then on it goes up and down by chance. */
		filled |= held_pages >= most_pages / 2;
		if (held_pages + pages > most_pages || (filled && pieces && next_random() & 1)) {
			size_t gone = next_random() % pieces;

			held_pages -= held[gone].pages;
			free_piece(&held[gone]);
			held[gone] = held[--pieces];
			continue;
		}
		took_ns[operations++] = make_piece(&held[pieces++], pages);
		held_pages += pages;
		touched_pages += pages;
	}
	while (pieces)
		free_piece(&held[--pieces]);

	qsort(took_ns, operations, sizeof(*took_ns), by_size);
	printf("{\"operations\":%zu,\"touched_mib\":%.6f,\"seconds\":%.6f,"
	       "\"p50_ms\":%.6f,\"p99_ms\":%.6f,\"p999_ms\":%.6f}\n",
	       operations, (double)touched_pages * PAGE / MIB, now - started,
	       percentile(took_ns, operations, 0.5) / 1e6, percentile(took_ns, operations, 0.99) / 1e6,
	       percentile(took_ns, operations, 0.999) / 1e6);
	return EXIT_SUCCESS;
}
