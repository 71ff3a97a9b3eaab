// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hf-allocate: allocate memory, touch every page of it, read it back, exit.
 *
 * The value written to a page depends on the page's number and on the process, and what is read
 * back is compared with what was written: the compiler cannot leave the memory out, the host cannot
 * merge the pages, those of other guests among them, and a page lost underneath (given back to the
 * host while in use) is noticed. The checksum is of the page numbers' share alone.
 * Prints {"touched_mib":…,"checksum":"…","seconds":…}; seconds covers touching and reading.
 */
#include "hf-common.h"

#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <sys/random.h>
#include <unistd.h>

#define HOLD_FILE_POLL_MS 50

/* What the pages of this process, and of no other, have in common. */
static uint64_t own;

/* Fold one more word into a checksum (FNV-1a over 64-bit words). */
static uint64_t fold(uint64_t checksum, uint64_t word)
{
	return (checksum ^ word) * 0x100000001b3ULL;
}

static void touch(volatile unsigned char *memory, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		*(volatile uint64_t *)(memory + i * PAGE) = mark(i) ^ own;
}

/* The checksum of what the pages hold now; ends the program if a page lost its content. */
static uint64_t read_back(volatile unsigned char *memory, size_t pages)
{
	uint64_t checksum = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < pages; i++) {
		uint64_t word = *(volatile uint64_t *)(memory + i * PAGE) ^ own;

		if (word != mark(i))
			fail(EXIT_CORRUPTED,
			     "page %zu of %zu holds %016llx instead of %016llx: the memory lost its content; "
			     "do not trust this kernel's page hinting.",
			     i, pages, (unsigned long long)word, (unsigned long long)mark(i));
		checksum = fold(checksum, word);
	}
	return checksum;
}

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

/* SIGTERM is let in only while waiting, so that none is lost between a check and a wait. */
static void expect_stop(sigset_t *while_waiting)
{
	struct sigaction action = { .sa_handler = stop };
	sigset_t blocked;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, while_waiting);
	sigaction(SIGTERM, &action, NULL);
}

/* Wait for SIGTERM and for the file to exist or, without a file, for a line or the end of stdin. */
static void hold(const char *file, const sigset_t *while_waiting)
{
	const struct timespec file_poll = { .tv_nsec = HOLD_FILE_POLL_MS * 1000000L };
	struct pollfd standard_input = { .fd = STDIN_FILENO, .events = POLLIN };
	char letter;

	while (!stopped) {
		if (file) {
			if (!access(file, F_OK))
				return;
			ppoll(NULL, 0, &file_poll, while_waiting);
		} else if (ppoll(&standard_input, 1, NULL, while_waiting) > 0 &&
			   (read(STDIN_FILENO, &letter, 1) != 1 || letter == '\n')) {
			return;
		}
	}
}

int main(int count, char **arguments)
{
	static const struct option options[] = { { "hold", no_argument, NULL, 'h' },
						 { "hold-file", required_argument, NULL, 'f' },
						 { 0 } };
	const char *hold_file = NULL;
	sigset_t while_waiting;
	int held = 0, option;

	program = "hf-allocate";
	while ((option = getopt_long(count, arguments, "", options, NULL)) != -1) {
		if (option == 'h') {
			held = 1;
		} else if (option == 'f') {
			held = 1;
			hold_file = optarg;
		} else {
			fail(EXIT_USAGE, "use it as: hf-allocate MIB [--hold | --hold-file PATH].");
		}
	}
	if (optind != count - 1)
		fail(EXIT_USAGE, "use it as: hf-allocate MIB [--hold | --hold-file PATH].");

	size_t mib = (size_t)whole_number("MIB", arguments[optind], 1, 1 << 24);
	size_t pages = mib * MIB / PAGE;
	unsigned char *memory = map_untouched(mib * MIB);
	double started = monotonic_seconds();

	/* A guest may not have gathered randomness yet; then the clock tells it from others. */
	if (getrandom(&own, sizeof(own), GRND_NONBLOCK) != sizeof(own))
		own = mark((uint64_t)(started * 1e9));
	touch(memory, pages);

	uint64_t checksum = read_back(memory, pages);

	/* Whoever reads the line below may end the holding at once. */
	if (held)
		expect_stop(&while_waiting);
	printf("{\"touched_mib\":%zu,\"checksum\":\"%016llx\",\"seconds\":%.6f}\n", mib,
	       (unsigned long long)checksum, monotonic_seconds() - started);
	fflush(stdout);

	if (held) {
		hold(hold_file, &while_waiting);
		read_back(memory, pages);
	}
	return EXIT_SUCCESS;
}
