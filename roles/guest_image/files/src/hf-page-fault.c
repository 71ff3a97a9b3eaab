// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hf-page-fault: how many first touches of a page a second, by N tasks at once.
 *
 * The method of will-it-scale's page_fault1: each task maps memory, writes one byte to every
 * 4 KiB page, unmaps, again and again; tasks are processes (each its own address space) or
 * threads (one for all), each bound to a CPU. Rates are counted between two moments at which
 * every task is running. Idle time is the guest's, of all its CPUs, between the same moments.
 */
#include "hf-common.h"

#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_TASKS 1024
/* A task that has not finished its first round by then never will. */
#define START_DEADLINE_SECONDS 120

/* One counter a task, each on a cache line of its own, in memory all tasks share. */
struct counter {
	_Alignas(64) volatile uint64_t touches;
	volatile uint64_t rounds;
};

static struct counter *counters;
static size_t task_bytes;

struct moment {
	double seconds;
	uint64_t touches, idle_ticks, all_ticks, thp_faults;
};

static void bind_to_cpu(long task)
{
	cpu_set_t allowed, one;
	long wanted;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		fail(EXIT_REFUSED, "cannot read the CPUs this program may use: %s.", strerror(errno));
	wanted = task % CPU_COUNT(&allowed);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed) || wanted--)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one))
			fail(EXIT_REFUSED, "cannot bind task %ld to CPU %d: %s.", task, cpu,
			     strerror(errno));
		return;
	}
}

static void *fault_forever(void *argument)
{
	struct counter *mine = argument;

	bind_to_cpu(mine - counters);
	for (;;) {
		volatile unsigned char *memory = map_untouched(task_bytes);

		for (size_t offset = 0; offset < task_bytes; offset += PAGE) {
			memory[offset] = 1;
			mine->touches++;
		}
		munmap((void *)memory, task_bytes);
		mine->rounds++;
	}
	return NULL;
}

static void start_threads(long tasks)
{
	for (long i = 0; i < tasks; i++) {
		pthread_t thread;
		int error = pthread_create(&thread, NULL, fault_forever, &counters[i]);

		if (error)
			fail(EXIT_REFUSED, "cannot start thread %ld of %ld: %s; ask for fewer tasks.",
			     i + 1, tasks, strerror(error));
	}
}

static void start_processes(pid_t *children, long tasks)
{
	const pid_t parent = getpid();

	for (long i = 0; i < tasks; i++) {
		children[i] = fork();
		if (children[i] < 0)
			fail(EXIT_REFUSED, "cannot start process %ld of %ld: %s; ask for fewer tasks.",
			     i + 1, tasks, strerror(errno));
		if (children[i] == 0) {
			/*
			 * However the parent ends, its tasks end with it; one that ended
			 * before the request was made sends no signal any more.
			 */
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != parent)
				_exit(EXIT_FAILURE);
			fault_forever(&counters[i]);
		}
	}
}

static void wait_until_all_run(long tasks)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000000L };
	double deadline = monotonic_seconds() + START_DEADLINE_SECONDS;

	for (long i = 0; i < tasks; i++) {
		while (!counters[i].rounds) {
			if (waitpid(-1, NULL, WNOHANG) > 0)
				fail(EXIT_REFUSED,
				     "a task ended early (of %ld tasks of %zu MiB); give the guest more "
				     "memory or ask for less.",
				     tasks, task_bytes / MIB);
			if (monotonic_seconds() > deadline)
				fail(EXIT_REFUSED,
				     "task %ld of %ld did not touch its %zu MiB once in %d s; ask for "
				     "fewer tasks or less memory.",
				     i + 1, tasks, task_bytes / MIB, START_DEADLINE_SECONDS);
			nanosleep(&pause, NULL);
		}
	}
}

/* The first line of /proc/stat: user nice system idle iowait irq softirq steal, in ticks. */
static void read_cpu_ticks(struct moment *now)
{
	unsigned long long ticks[8];
	FILE *file = fopen("/proc/stat", "r");

	if (!file || fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &ticks[0], &ticks[1],
			    &ticks[2], &ticks[3], &ticks[4], &ticks[5], &ticks[6], &ticks[7]) != 8)
		fail(EXIT_REFUSED, "cannot read the CPU times in /proc/stat; mount /proc.");
	fclose(file);
	now->idle_ticks = ticks[3] + ticks[4];
	now->all_ticks = 0;
	for (int i = 0; i < 8; i++)
		now->all_ticks += ticks[i];
}

/* Faults answered with a huge page since boot; a kernel without THP has none. */
static uint64_t read_thp_faults(void)
{
	char name[64];
	unsigned long long value, faults = 0;
	FILE *file = fopen("/proc/vmstat", "r");

	if (!file)
		fail(EXIT_REFUSED, "cannot read /proc/vmstat: %s; mount /proc.", strerror(errno));
	while (fscanf(file, "%63s %llu", name, &value) == 2) {
		if (!strcmp(name, "thp_fault_alloc"))
			faults = value;
	}
	fclose(file);
	return faults;
}

static struct moment look(long tasks)
{
	struct moment now = { .thp_faults = read_thp_faults() };

	read_cpu_ticks(&now);
	now.seconds = monotonic_seconds();
	for (long i = 0; i < tasks; i++)
		now.touches += counters[i].touches;
	return now;
}

int main(int count, char **arguments)
{
	static const struct option options[] = { { "tasks", required_argument, NULL, 't' },
						 { "mode", required_argument, NULL, 'm' },
						 { "seconds", required_argument, NULL, 's' },
						 { "task-mib", required_argument, NULL, 'b' },
						 { 0 } };
	long tasks = 0, task_mib = 0;
	double seconds = 0;
	const char *mode = NULL;
	pid_t children[MOST_TASKS];
	int option;

	program = "hf-page-fault";
	while ((option = getopt_long(count, arguments, "", options, NULL)) != -1) {
		if (option == 't')
			tasks = whole_number("--tasks", optarg, 1, MOST_TASKS);
		else if (option == 'm')
			mode = optarg;
		else if (option == 's')
			seconds = positive_seconds("--seconds", optarg);
		else if (option == 'b')
			task_mib = whole_number("--task-mib", optarg, 1, 1 << 24);
		else
			break;
	}
	if (option != -1 || optind != count || !tasks || !mode || !seconds || !task_mib)
		fail(EXIT_USAGE, "use it as: hf-page-fault --tasks N --mode processes|threads "
				 "--seconds S --task-mib M.");

	int threads = !strcmp(mode, "threads");

	if (!threads && strcmp(mode, "processes"))
		fail(EXIT_USAGE, "--mode is '%s' but must be processes or threads.", mode);

	task_bytes = (size_t)task_mib * MIB;
	counters = mmap(NULL, sizeof(*counters) * tasks, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counters == MAP_FAILED)
		fail(EXIT_REFUSED, "cannot map the counters of %ld tasks: %s.", tasks, strerror(errno));
	if (threads)
		start_threads(tasks);
	else
		start_processes(children, tasks);
	wait_until_all_run(tasks);

	struct moment before = look(tasks);

	struct timespec pause = { .tv_sec = (time_t)seconds };

	pause.tv_nsec = (long)((seconds - (double)pause.tv_sec) * 1e9);
	nanosleep(&pause, NULL);

	struct moment after = look(tasks);
	double window = after.seconds - before.seconds;
	uint64_t all_ticks = after.all_ticks - before.all_ticks;

	for (long i = 0; !threads && i < tasks; i++)
		kill(children[i], SIGKILL);
	for (long i = 0; !threads && i < tasks; i++)
		waitpid(children[i], NULL, 0);

	printf("{\"tasks\":%ld,\"mode\":\"%s\",\"touches_per_second\":%.1f,\"idle_percent\":%.2f,"
	       "\"seconds\":%.6f,\"thp_faults\":%llu}\n",
	       tasks, mode, (double)(after.touches - before.touches) / window,
	       all_ticks ? 100.0 * (double)(after.idle_ticks - before.idle_ticks) / (double)all_ticks : 0.0,
	       window, (unsigned long long)(after.thp_faults - before.thp_faults));
	return EXIT_SUCCESS;
}
