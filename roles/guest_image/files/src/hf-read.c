// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hf-read FILE: read a file or a device as a whole, through the page cache.
 *
 * busybox's dd tells times or does not, as who built it liked.
 * Prints {"read_mib":…,"seconds":…}; seconds are those of reading.
 */
#include "hf-common.h"

#include <fcntl.h>
#include <unistd.h>

int main(int count, char **arguments)
{
	static unsigned char buffer[1 << 20];
	size_t bytes = 0;
	ssize_t got;
	double started;
	int file;

	program = "hf-read";
	if (count != 2)
		fail(EXIT_USAGE, "use it as: hf-read FILE.");
	file = open(arguments[1], O_RDONLY);
	if (file < 0)
		fail(EXIT_REFUSED, "cannot open %s: %s; name a file that can be read.", arguments[1],
		     strerror(errno));
	started = monotonic_seconds();
	while ((got = read(file, buffer, sizeof(buffer))) > 0)
		bytes += (size_t)got;
	if (got < 0)
		fail(EXIT_REFUSED, "cannot read %s after %zu bytes: %s; see the kernel's log.", arguments[1],
		     bytes, strerror(errno));
	printf("{\"read_mib\":%.6f,\"seconds\":%.6f}\n", (double)bytes / MIB,
	       monotonic_seconds() - started);
	return EXIT_SUCCESS;
}
