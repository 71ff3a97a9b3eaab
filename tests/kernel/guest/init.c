// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * init.c - the only program of the guests in which the kernel tests run
 *
 * As process 1 it mounts what it needs and then obeys lines that come over the
 * second serial port. Each answer ends with a line "= ok" or "= error REASON".
 * Durations are nanoseconds of the guest's monotonic clock.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL
#define MIB (1UL << 20)
#define BLOCK (2 * MIB)

static FILE *port;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void sleep_ms(unsigned long ms)
{
	struct timespec t = { ms / 1000, (ms % 1000) * 1000000L };

	nanosleep(&t, NULL);
}

static int fail(const char *what)
{
	fprintf(port, "= error %s: %s\n", what, strerror(errno));
	return -1;
}

static void *map_mib(unsigned long mib)
{
	void *p = mmap(NULL, mib * MIB, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void touch(volatile char *p, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += PAGE)
		p[i] = 1;
}

/* get PATH: the file's lines, each after a space */
static int cmd_get(char *path, char *unused)
{
	char line[1024];
	FILE *f = fopen(path, "re");

	if (!f)
		return fail(path);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		fprintf(port, " %s\n", line);
	}
	fclose(f);
	return 0;
}

/* set PATH VALUE */
static int cmd_set(char *path, char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return fail(path);
	if (write(fd, value, strlen(value)) < 0)
		err = fail(path);
	close(fd);
	return err;
}

/*
 * poke DEVICE OFFSET BYTE: write to the configuration space of a PCI device, the
 * way a host that takes a device away, or stops to serve it, would change it.
 */
static int cmd_poke(char *device, char *offset_byte)
{
	char path[128];
	unsigned int offset, byte;
	unsigned char value;
	int fd, err = 0;

	if (sscanf(offset_byte, "%i %i", &offset, &byte) != 2) {
		errno = EINVAL;
		return fail(offset_byte);
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", device);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(path);
	value = byte;
	if (pwrite(fd, &value, 1, offset) != 1)
		err = fail(path);
	close(fd);
	return err;
}

/* flags PFN: what /proc/kpageflags says of a page */
static int cmd_flags(char *pfn, char *unused)
{
	uint64_t flags;
	int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return fail("/proc/kpageflags");
	if (pread(fd, &flags, 8, strtoul(pfn, NULL, 0) * 8) != 8) {
		close(fd);
		return fail("/proc/kpageflags");
	}
	close(fd);
	fprintf(port, " flags %llu\n", (unsigned long long)flags);
	return 0;
}

/*
 * blocks: the blocks of 2 MiB, by number, in which each page is free ("free"), or of which the
 * kernel says nothing at all, not even that it is free or in use ("bare").
 */
#define KPF_BUDDY	(1ULL << 10)

static int cmd_blocks(char *unused, char *unused2)
{
	static uint64_t flags[BLOCK / PAGE];
	int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return fail("/proc/kpageflags");
	for (unsigned long block = 0;
	     pread(fd, flags, sizeof(flags), block * sizeof(flags)) == sizeof(flags); block++) {
		uint64_t all = ~0ULL, any = 0;

		for (unsigned long i = 0; i < BLOCK / PAGE; i++) {
			all &= flags[i];
			any |= flags[i];
		}
		if (all & KPF_BUDDY)
			fprintf(port, " free %lu\n", block);
		else if (!any)
			fprintf(port, " bare %lu\n", block);
	}
	close(fd);
	return 0;
}

/*
 * hold NAME MIB: a process of its own touches that much and keeps it.
 * pin NAME MIB: the same with memory of the kernel that cannot be moved, in pipes.
 * drop NAME: it ends; answers when it is gone.
 */
static struct { char name[32]; pid_t pid; } holders[64];

static bool touch_memory(unsigned long mib)
{
	char *p = map_mib(mib);

	if (p)
		touch(p, mib * MIB);
	return p;
}

static bool fill_pipes(unsigned long mib)
{
	static char page[PAGE];
	int ends[2];

	for (; mib; mib--) {
		if (pipe2(ends, O_NONBLOCK) || fcntl(ends[1], F_SETPIPE_SZ, MIB) < 0)
			return false;
		while (write(ends[1], page, PAGE) == PAGE)
			;
	}
	return true;
}

static int keep(char *name, char *mib, bool (*take)(unsigned long mib))
{
	int ready[2];
	char c = 0;

	for (int i = 0; i < 64; i++) {
		if (holders[i].pid)
			continue;
		if (pipe(ready))
			return fail("pipe");
		holders[i].pid = fork();
		if (!holders[i].pid) {
			c = take(strtoul(mib, NULL, 0));
			if (write(ready[1], &c, 1) == 1 && c)
				for (;;)
					pause();
			_exit(1);
		}
		snprintf(holders[i].name, sizeof(holders[i].name), "%s", name);
		close(ready[1]);
		if (read(ready[0], &c, 1) != 1 || !c) {
			waitpid(holders[i].pid, NULL, 0);
			holders[i].pid = 0;
			errno = ENOMEM;
			c = 0;
		}
		close(ready[0]);
		return c ? 0 : fail("hold");
	}
	errno = ENOSPC;
	return fail("hold");
}

static int cmd_hold(char *name, char *mib)
{
	return keep(name, mib, touch_memory);
}

static int cmd_pin(char *name, char *mib)
{
	return keep(name, mib, fill_pipes);
}

static int cmd_drop(char *name, char *unused)
{
	for (int i = 0; i < 64; i++) {
		if (!holders[i].pid || strcmp(holders[i].name, name))
			continue;
		kill(holders[i].pid, SIGKILL);
		waitpid(holders[i].pid, NULL, 0);
		holders[i].pid = 0;
		fprintf(port, " freed_ns %llu\n", (unsigned long long)now_ns());
		return 0;
	}
	errno = ENOENT;
	return fail(name);
}

/*
 * scatter MIB ORDER: touch, then give back in pieces of 2 MiB from the start
 * ("forward"), from the end ("backward") or in any order ("random").
 */
static int cmd_scatter(char *mib, char *order)
{
	unsigned long n = strtoul(mib, NULL, 0) * MIB / BLOCK;
	unsigned long *piece = calloc(n, sizeof(*piece));
	char *p = map_mib(n * BLOCK / MIB);

	if (!p || !piece)
		return fail("scatter");
	touch(p, n * BLOCK);
	for (unsigned long i = 0; i < n; i++)
		piece[i] = order[0] == 'b' ? n - 1 - i : i;
	if (order[0] == 'r') {
		srand(1);
		for (unsigned long i = n - 1; i; i--) {
			unsigned long j = rand() % (i + 1), k = piece[i];

			piece[i] = piece[j];
			piece[j] = k;
		}
	}
	for (unsigned long i = 0; i < n; i++)
		madvise(p + piece[i] * BLOCK, BLOCK, MADV_DONTNEED);
	munmap(p, n * BLOCK);
	free(piece);
	return 0;
}

/*
 * integrity SECONDS MIB: four threads allocate pieces of 4 KiB to 8 MiB, fill
 * them with a pattern of their own, check it later and free them; a fifth does
 * it with files of a tmpfs. Answers how much was checked. A page that the host
 * discarded while it was in use reads as zero and is counted as an error.
 */
#define SLOTS 24

struct churner {
	pthread_t thread;
	unsigned int seed;
	size_t budget;
	uint64_t end_ns, checked, errors;
};

static uint64_t pattern(uint64_t salt, size_t i)
{
	uint64_t x = salt + i * 0x9e3779b97f4a7c15ULL;

	return (x ^ (x >> 31)) | 1;
}

static void fill(uint64_t *p, size_t bytes, uint64_t salt)
{
	/* the first and the last words of each page, and some in the middle */
	for (size_t i = 0; i < bytes / 8; i += 61)
		p[i] = pattern(salt, i);
}

static uint64_t check(const uint64_t *p, size_t bytes, uint64_t salt)
{
	uint64_t bad = 0;

	for (size_t i = 0; i < bytes / 8; i += 61)
		bad += p[i] != pattern(salt, i);
	return bad;
}

static void *churn_memory(void *arg)
{
	struct churner *c = arg;
	struct { uint64_t *p, salt; size_t bytes; } slot[SLOTS] = { 0 };
	size_t used = 0;

	while (now_ns() < c->end_ns) {
		int i = rand_r(&c->seed) % SLOTS;

		if (slot[i].p) {
			c->errors += check(slot[i].p, slot[i].bytes, slot[i].salt);
			c->checked += slot[i].bytes;
			munmap(slot[i].p, slot[i].bytes);
			used -= slot[i].bytes;
			slot[i].p = NULL;
			continue;
		}
		slot[i].bytes = PAGE << (rand_r(&c->seed) % 12);
		if (used + slot[i].bytes > c->budget)
			continue;
		slot[i].salt = rand_r(&c->seed);
		slot[i].p = mmap(NULL, slot[i].bytes, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (slot[i].p == MAP_FAILED) {
			slot[i].p = NULL;
			continue;
		}
		fill(slot[i].p, slot[i].bytes, slot[i].salt);
		used += slot[i].bytes;
	}
	for (int i = 0; i < SLOTS; i++)
		if (slot[i].p) {
			c->errors += check(slot[i].p, slot[i].bytes, slot[i].salt);
			c->checked += slot[i].bytes;
			munmap(slot[i].p, slot[i].bytes);
		}
	return NULL;
}

static void *churn_files(void *arg)
{
	struct churner *c = arg;
	static uint64_t buf[BLOCK / 8];
	char path[64];

	for (unsigned int n = 0; now_ns() < c->end_ns; n++) {
		size_t bytes = (PAGE << (rand_r(&c->seed) % 9)) + PAGE;
		int fd;

		/* small files beside it keep slabs coming and going */
		for (int i = 0; i < 32; i++) {
			snprintf(path, sizeof(path), "/tmp/small%d", i);
			fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
			if (fd >= 0)
				close(fd);
			unlink(path);
		}
		fd = open("/tmp/churn", O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
		fill(buf, bytes, n);
		if (fd < 0 || write(fd, buf, bytes) != (ssize_t)bytes) {
			if (fd >= 0)
				close(fd);
			continue;
		}
		memset(buf, 0, bytes);
		sleep_ms(1);
		if (pread(fd, buf, bytes, 0) == (ssize_t)bytes) {
			c->errors += check(buf, bytes, n);
			c->checked += bytes;
		} else {
			c->errors++;
		}
		close(fd);
		unlink("/tmp/churn");
	}
	return NULL;
}

static int cmd_integrity(char *seconds, char *mib)
{
	struct churner c[5] = { 0 };
	uint64_t checked = 0, errors = 0, end = now_ns();

	end += strtoul(seconds, NULL, 0) * 1000000000ULL;
	for (int i = 0; i < 5; i++) {
		c[i].seed = i + 1;
		c[i].end_ns = end;
		c[i].budget = strtoul(mib, NULL, 0) * MIB / 4;
		if (pthread_create(&c[i].thread, NULL,
				   i < 4 ? churn_memory : churn_files, &c[i]))
			return fail("pthread_create");
	}
	for (int i = 0; i < 5; i++) {
		pthread_join(c[i].thread, NULL);
		checked += c[i].checked;
		errors += c[i].errors;
	}
	fprintf(port, " checked_mib %llu\n errors %llu\n",
		(unsigned long long)(checked / MIB), (unsigned long long)errors);
	return 0;
}

/*
 * faults ROUNDS MIB: the mean time to touch that many 4 KiB pages and to unmap
 * them again. Under -icount a nanosecond is an instruction.
 */
static int cmd_faults(char *rounds, char *mib)
{
	size_t bytes = strtoul(mib, NULL, 0) * MIB;
	unsigned long n = strtoul(rounds, NULL, 0);
	uint64_t fault = 0, unmap = 0, t;

	for (unsigned long i = 0; i < n; i++) {
		char *p = map_mib(bytes / MIB);

		if (!p)
			return fail("mmap");
		madvise(p, bytes, MADV_NOHUGEPAGE);
		t = now_ns();
		touch(p, bytes);
		fault += now_ns() - t;
		t = now_ns();
		munmap(p, bytes);
		unmap += now_ns() - t;
	}
	fprintf(port, " fault_ns %llu\n unmap_ns %llu\n",
		(unsigned long long)(fault / n), (unsigned long long)(unmap / n));
	return 0;
}

/*
 * cycles SECONDS MIB: a program that works in memory it allocates and frees
 * again and again, with short and long pauses: how often it gets round, and
 * how long allocating took on the average.
 */
static int cmd_cycles(char *seconds, char *mib)
{
	static const unsigned int pause_ms[] = { 0, 5, 20, 50, 0, 100, 5, 0 };
	uint64_t start = now_ns(), end, alloc = 0, t;
	size_t bytes = strtoul(mib, NULL, 0) * MIB;
	unsigned long n = 0;

	end = start + strtoul(seconds, NULL, 0) * 1000000000ULL;
	while (now_ns() < end) {
		char *p = map_mib(bytes / MIB);

		if (!p)
			return fail("mmap");
		t = now_ns();
		touch(p, bytes);
		alloc += now_ns() - t;
		munmap(p, bytes);
		sleep_ms(pause_ms[n++ % 8]);
	}
	fprintf(port, " cycles %lu\n alloc_ns %llu\n elapsed_ns %llu\n", n,
		(unsigned long long)(alloc / n),
		(unsigned long long)(now_ns() - start));
	return 0;
}

static int cmd_sleep(char *ms, char *unused)
{
	sleep_ms(strtoul(ms, NULL, 0));
	return 0;
}

static int cmd_reboot(char *unused, char *unused2)
{
	fprintf(port, "= ok\n");
	fflush(port);
	tcdrain(fileno(port));
	reboot(RB_AUTOBOOT);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(char *a, char *b);
} commands[] = {
	{ "get", cmd_get }, { "set", cmd_set },
	{ "hold", cmd_hold }, { "pin", cmd_pin }, { "drop", cmd_drop },
	{ "scatter", cmd_scatter }, { "integrity", cmd_integrity },
	{ "faults", cmd_faults }, { "cycles", cmd_cycles },
	{ "poke", cmd_poke }, { "flags", cmd_flags }, { "blocks", cmd_blocks },
	{ "sleep", cmd_sleep }, { "reboot", cmd_reboot },
};

static void obey(char *line)
{
	char *name = strtok(line, " ");
	char *a = strtok(NULL, " ");
	char *b = strtok(NULL, "");

	for (size_t i = 0; name && i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(commands[i].name, name)) {
			if (!commands[i].run(a ? a : "", b ? b : ""))
				fprintf(port, "= ok\n");
			fflush(port);
			return;
		}
	fprintf(port, "= error no such command\n");
}

/* start COMMAND: in a process of its own. finish: wait for it, answer for it. */
#define RESULT "/tmp/result"
static pid_t background;

static void start(char *line)
{
	background = fork();
	if (!background) {
		port = fopen(RESULT, "we");
		if (port) {
			obey(line);
			fclose(port);
		}
		_exit(0);
	}
	fprintf(port, "= ok\n");
}

static void finish(void)
{
	char line[512];
	FILE *f;

	waitpid(background, NULL, 0);
	f = fopen(RESULT, "re");
	while (f && fgets(line, sizeof(line), f))
		fputs(line, port);
	if (f)
		fclose(f);
	else
		fprintf(port, "= error nothing was started\n");
	unlink(RESULT);
}

int main(void)
{
	struct termios raw;
	char line[512];
	FILE *commands_in;
	int fd;

	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mkdir("/tmp", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);

	fd = open("/dev/ttyS1", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || tcgetattr(fd, &raw)) {
		fprintf(stderr, "no second serial port\n");
		reboot(RB_POWER_OFF);
	}
	cfmakeraw(&raw);
	tcsetattr(fd, TCSANOW, &raw);
	commands_in = fdopen(fd, "r");
	port = fdopen(fcntl(fd, F_DUPFD_CLOEXEC, 0), "w");
	setvbuf(port, NULL, _IOLBF, 0);
	fprintf(port, "= ready\n");

	while (fgets(line, sizeof(line), commands_in)) {
		line[strcspn(line, "\n")] = 0;
		if (!strncmp(line, "start ", 6))
			start(line + 6);
		else if (!strcmp(line, "finish"))
			finish();
		else
			obey(line);
		fflush(port);
	}
	reboot(RB_POWER_OFF);
	return 0;
}
