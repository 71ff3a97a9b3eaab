// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hf-read PATH [--mib M] [--drop]: read a file, a device or a tree of files, through the page cache.
 *
 * busybox's dd tells times or does not, as who built it liked. A tree's files are those of its own
 * file system, in the order in which their folders list them: the same one each time. With --mib it
 * ends after M MiB, and a path that holds less is an error. With --drop it tells the kernel after
 * each file that its pages are not needed again.
 * Prints {"reads":…,"read_mib":…,"seconds":…,"p50_ms":…,"p99_ms":…,"p999_ms":…}; seconds are those
 * of reading, an operation is a read of at most 1 MiB, percentiles are exact (nearest rank over all
 * reads) and left out where nothing was read.
 */
#include "hf-common.h"
#include "hf-percentile.h"

#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <limits.h>
#include <unistd.h>

#define FOLDERS_OPEN 16

static int drop;
static size_t left = SIZE_MAX, done, reads, room;
static uint64_t *took_ns;

static void note(double seconds)
{
	if (reads == room) {
		room = room ? 2 * room : 4096;
		took_ns = realloc(took_ns, room * sizeof(*took_ns));
		if (!took_ns)
			fail(EXIT_REFUSED, "cannot list %zu reads: %s; read less.", room, strerror(errno));
	}
	took_ns[reads++] = (uint64_t)(seconds * 1e9);
}

static void read_file(const char *path)
{
	static unsigned char buffer[1 << 20];
	int file = open(path, O_RDONLY);
	ssize_t got = 0;

	if (file < 0)
		fail(EXIT_REFUSED, "cannot open %s: %s; name a file that can be read.", path,
		     strerror(errno));
	while (left) {
		double started = monotonic_seconds();

		got = read(file, buffer, left < sizeof(buffer) ? left : sizeof(buffer));
		if (got <= 0)
			break;
		note(monotonic_seconds() - started);
		done += (size_t)got;
		left -= (size_t)got;
	}
	if (got < 0)
		fail(EXIT_REFUSED, "cannot read %s after %zu bytes: %s; see the kernel's log.", path, done,
		     strerror(errno));
	if (drop)
		posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
	close(file);
}

static int visit(const char *path, const struct stat *status, int kind, struct FTW *where)
{
	(void)where;
	if (kind == FTW_F && S_ISREG(status->st_mode))
		read_file(path);
	return !left;
}

int main(int count, char **arguments)
{
	static const struct option options[] = { { "mib", required_argument, NULL, 'm' },
						 { "drop", no_argument, NULL, 'd' },
						 { 0 } };
	struct stat status;
	long mib = 0;
	int option;

	program = "hf-read";
	while ((option = getopt_long(count, arguments, "", options, NULL)) != -1) {
		if (option == 'm')
			mib = whole_number("--mib", optarg, 1, 1 << 24);
		else if (option == 'd')
			drop = 1;
		else
			fail(EXIT_USAGE, "use it as: hf-read PATH [--mib M] [--drop].");
	}
	if (optind != count - 1)
		fail(EXIT_USAGE, "use it as: hf-read PATH [--mib M] [--drop].");

	if (mib)
		left = (size_t)mib * MIB;

	const char *path = arguments[optind];
	double started = monotonic_seconds();

	if (!stat(path, &status) && S_ISDIR(status.st_mode)) {
		if (nftw(path, visit, FOLDERS_OPEN, FTW_PHYS | FTW_MOUNT) < 0)
			fail(EXIT_REFUSED, "cannot walk through %s: %s; see the kernel's log.", path,
			     strerror(errno));
	} else {
		read_file(path);
	}

	double seconds = monotonic_seconds() - started;

	if (mib && left)
		fail(EXIT_REFUSED, "%s holds %.1f MiB but %ld are to be read; ask for less, or give more.",
		     path, (double)done / MIB, mib);
	printf("{\"reads\":%zu,\"read_mib\":%.6f,\"seconds\":%.6f", reads, (double)done / MIB, seconds);
	if (reads) {
		qsort(took_ns, reads, sizeof(*took_ns), by_size);
		printf(",\"p50_ms\":%.6f,\"p99_ms\":%.6f,\"p999_ms\":%.6f",
		       percentile(took_ns, reads, 0.5) / 1e6, percentile(took_ns, reads, 0.99) / 1e6,
		       percentile(took_ns, reads, 0.999) / 1e6);
	}
	printf("}\n");
	return EXIT_SUCCESS;
}
