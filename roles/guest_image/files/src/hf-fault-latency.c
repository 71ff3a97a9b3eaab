// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hf-fault-latency: how long the first touch of a 4 KiB page takes, one by one.
 *
 * Maps fresh memory without huge pages, times one write to each page, unmaps; --rounds times.
 * The clock is the CPU's time stamp counter (a page fault takes less than a microsecond on real
 * hardware, a system call for the time would cost as much), read on one CPU, and converted with
 * the CLOCK_MONOTONIC time of the whole measurement. Percentiles are exact (nearest rank over
 * all touches). The histogram has fixed bounds, 16 to the octave from 64 ns to 2^34 ns, counts[i]
 * from bounds_ns[i] up to bounds_ns[i+1]; what lies outside is counted in the first and last.
 */
#include "hf-common.h"
#include "hf-percentile.h"

#include <getopt.h>
#include <sched.h>
#include <x86intrin.h>

#define BOUNDS_PER_OCTAVE 16
#define FIRST_OCTAVE 6
#define LAST_OCTAVE 34
#define BUCKETS ((LAST_OCTAVE - FIRST_OCTAVE) * BOUNDS_PER_OCTAVE)

static inline uint64_t now_ticks(void)
{
	uint64_t ticks;

	/* The fences keep the touch between the two readings. */
	_mm_lfence();
	ticks = __rdtsc();
	_mm_lfence();
	return ticks;
}

static void stay_on_this_cpu(void)
{
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	if (sched_setaffinity(0, sizeof(here), &here))
		fail(EXIT_REFUSED, "cannot stay on one CPU: %s.", strerror(errno));
}

static void time_touches(uint64_t *ticks, size_t pages)
{
	unsigned char *memory = map_untouched(pages * PAGE);

	/* EINVAL: a kernel without huge pages, which is just as good. */
	if (madvise(memory, pages * PAGE, MADV_NOHUGEPAGE) && errno != EINVAL)
		fail(EXIT_REFUSED, "cannot switch huge pages off for the measurement: %s.",
		     strerror(errno));
	for (size_t i = 0; i < pages; i++) {
		uint64_t before = now_ticks();

		*(volatile unsigned char *)(memory + i * PAGE) = 1;
		ticks[i] = now_ticks() - before;
	}
	munmap(memory, pages * PAGE);
}

static double bound_ns(int index)
{
	return round(exp2(FIRST_OCTAVE + (double)index / BOUNDS_PER_OCTAVE));
}

static void print_histogram(const uint64_t *sorted, size_t count, double ns_per_tick)
{
	size_t next = 0;

	printf("\"bounds_ns\":[");
	for (int i = 0; i <= BUCKETS; i++)
		printf("%s%.0f", i ? "," : "", bound_ns(i));
	printf("],\"counts\":[");
	for (int i = 0; i < BUCKETS; i++) {
		size_t first = next;

		while (next < count &&
		       (i == BUCKETS - 1 || (double)sorted[next] * ns_per_tick < bound_ns(i + 1)))
			next++;
		printf("%s%zu", i ? "," : "", next - first);
	}
	printf("]");
}

int main(int count, char **arguments)
{
	static const struct option options[] = { { "mib", required_argument, NULL, 'm' },
						 { "rounds", required_argument, NULL, 'r' },
						 { 0 } };
	long mib = 0, rounds = 1;
	int option;

	program = "hf-fault-latency";
	while ((option = getopt_long(count, arguments, "", options, NULL)) != -1) {
		if (option == 'm')
			mib = whole_number("--mib", optarg, 1, 1 << 20);
		else if (option == 'r')
			rounds = whole_number("--rounds", optarg, 1, 1000);
		else
			break;
	}
	if (option != -1 || optind != count || !mib)
		fail(EXIT_USAGE, "use it as: hf-fault-latency --mib M [--rounds R].");

	size_t pages = (size_t)mib * MIB / PAGE, touches = pages * (size_t)rounds;
	uint64_t *ticks = (uint64_t *)map_untouched(touches * sizeof(*ticks));

	/* The results' own pages are touched before, not during, the measurement. */
	memset(ticks, 1, touches * sizeof(*ticks));
	stay_on_this_cpu();

	double started = monotonic_seconds();
	uint64_t started_ticks = now_ticks();

	for (long i = 0; i < rounds; i++)
		time_touches(ticks + (size_t)i * pages, pages);

	uint64_t all_ticks = now_ticks() - started_ticks;
	double ns_per_tick = (monotonic_seconds() - started) * 1e9 / (double)all_ticks;

	qsort(ticks, touches, sizeof(*ticks), by_size);
	printf("{\"count\":%zu,\"p50_ns\":%.1f,\"p95_ns\":%.1f,\"p99_ns\":%.1f,\"p999_ns\":%.1f,", touches,
	       percentile(ticks, touches, 0.5) * ns_per_tick, percentile(ticks, touches, 0.95) * ns_per_tick,
	       percentile(ticks, touches, 0.99) * ns_per_tick,
	       percentile(ticks, touches, 0.999) * ns_per_tick);
	print_histogram(ticks, touches, ns_per_tick);
	printf("}\n");
	return EXIT_SUCCESS;
}
