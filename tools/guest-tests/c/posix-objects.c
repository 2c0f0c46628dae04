/*
 * POSIX's objects as a C program gets them from glibc, linked statically: threads, locks, semaphores, shared memory, FIFOs,
 * timers, processes, terminals, files. To see whether a kernel carries what was not written for it, and the half of glibc that
 * no Rust program calls: cleanup handlers, thread-local variables, set*id in all threads, contexts.
 *
 * Prints KTAP, the same on every run; the status is 0 if nothing failed. Each test is a process of its own, ended after LIMIT_S
 * seconds. A test is a function named after the behaviour, which returns, and a line in `tests`; what does not hold ends it.
 */
#define _GNU_SOURCE
#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <pwd.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { LIMIT_S = 30 };

static void fail(int line, const char *expected)
{
	printf("# line %d: expected: %s (errno: %s)\n", line, expected, strerror(errno));
	fflush(stdout);
	_exit(1);
}

#define EXPECT(condition) ((condition) ? (void)0 : fail(__LINE__, #condition))
/* Of the calls that return an error number. */
#define DONE(call) EXPECT((errno = (call)) == 0)

/* ---- helpers ---- */

/* Memory that processes share. */
static void *shared_memory(void)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	EXPECT(memory != MAP_FAILED);
	return memory;
}

static void expect_exit(pid_t child, int status)
{
	int ended;

	EXPECT(waitpid(child, &ended, 0) == child);
	EXPECT(WIFEXITED(ended) && WEXITSTATUS(ended) == status);
}

/* Waits until the process or thread sleeps; the watchdog bounds it. */
static void until_asleep(const char *directory, int number)
{
	for (;;) {
		char path[64], text[256] = "";
		FILE *file;

		snprintf(path, sizeof path, "%s/%d/stat", directory, number);
		file = fopen(path, "re");
		EXPECT(file != NULL);
		EXPECT(fread(text, 1, sizeof text - 1, file) > 0);
		fclose(file);
		if (strstr(text, ") S"))
			return;
		usleep(1000);
	}
}

struct thread {
	pthread_t handle;
	pid_t id;
	void *(*body)(void *);
	void *argument;
	sem_t has_id;
};

static void *run_thread(void *argument)
{
	struct thread *thread = argument;

	thread->id = gettid();
	sem_post(&thread->has_id);
	return thread->body(thread->argument);
}

static void start(struct thread *thread, void *(*body)(void *), void *argument)
{
	thread->body = body;
	thread->argument = argument;
	sem_init(&thread->has_id, 0, 0);
	DONE(pthread_create(&thread->handle, NULL, run_thread, thread));
	while (sem_wait(&thread->has_id) != 0)
		EXPECT(errno == EINTR);
}

static void *join(struct thread *thread)
{
	void *value;

	DONE(pthread_join(thread->handle, &value));
	return value;
}

static void until_thread_asleep(const struct thread *thread)
{
	until_asleep("/proc/self/task", thread->id);
}

/* ---- threads ---- */

static _Thread_local int initialised = 7;
static _Thread_local char aligned[100] __attribute__((aligned(64)));

static void *use_own_variables(void *argument)
{
	EXPECT(initialised == 7 && aligned[99] == 0 && (uintptr_t)aligned % 64 == 0);
	initialised = (int)(intptr_t)argument;
	memset(aligned, initialised, sizeof aligned);
	for (int turn = 0; turn < 100; turn++) {
		sched_yield();
		EXPECT(initialised == (int)(intptr_t)argument && aligned[50] == initialised);
	}
	return NULL;
}

static void thread_local_variables_start_anew_in_each_thread(void)
{
	struct thread threads[8];

	for (intptr_t i = 0; i < 8; i++)
		start(&threads[i], use_own_variables, (void *)(i + 10));
	for (int i = 0; i < 8; i++)
		join(&threads[i]);
	EXPECT(initialised == 7);
}

static void *fail_to_close(void *argument)
{
	(void)argument;
	EXPECT(close(-1) == -1 && errno == EBADF);
	return NULL;
}

static void errno_is_each_threads_own(void)
{
	struct thread thread;

	start(&thread, fail_to_close, NULL);
	errno = ENOTDIR;
	EXPECT(pthread_join(thread.handle, NULL) == 0 && errno == ENOTDIR);
}

static char order[8];

static void note(void *argument)
{
	strcat(order, argument);
}

static void *read_with_cleanup(void *argument)
{
	char byte;

	pthread_cleanup_push(note, "1");
	pthread_cleanup_push(note, "2");
	EXPECT(read(*(int *)argument, &byte, 1) == 1);
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return NULL;
}

static void cleanup_handlers_run_last_first_when_a_read_is_cancelled(void)
{
	struct thread thread;
	int ends[2];

	EXPECT(pipe(ends) == 0);
	start(&thread, read_with_cleanup, ends);
	until_thread_asleep(&thread);
	DONE(pthread_cancel(thread.handle));
	EXPECT(join(&thread) == PTHREAD_CANCELED);
	EXPECT(strcmp(order, "21") == 0);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

static void unlock(void *argument)
{
	strcat(order, pthread_mutex_trylock(&mutex) == EBUSY ? "held" : "free");
	pthread_mutex_unlock(argument);
}

static void *wait_for_condition(void *argument)
{
	(void)argument;
	pthread_mutex_lock(&mutex);
	pthread_cleanup_push(unlock, &mutex);
	for (;;)
		pthread_cond_wait(&condition, &mutex);
	pthread_cleanup_pop(1);
	return NULL;
}

static void a_cancelled_condition_wait_has_the_mutex_in_its_cleanup(void)
{
	struct thread thread;

	start(&thread, wait_for_condition, NULL);
	until_thread_asleep(&thread);
	DONE(pthread_cancel(thread.handle));
	EXPECT(join(&thread) == PTHREAD_CANCELED);
	EXPECT(strcmp(order, "held") == 0);
	DONE(pthread_mutex_trylock(&mutex));
}

static volatile pid_t handled_by;

static void tell_thread(int signal)
{
	(void)signal;
	handled_by = gettid();
}

static void catch(int signal, void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	EXPECT(sigaction(signal, &action, NULL) == 0);
}

static void *read_interrupted(void *argument)
{
	char byte;

	EXPECT(read(*(int *)argument, &byte, 1) == -1 && errno == EINTR);
	return NULL;
}

static void pthread_kill_interrupts_that_thread(void)
{
	struct thread thread;
	int ends[2];

	EXPECT(pipe(ends) == 0);
	catch(SIGUSR1, tell_thread, 0);
	start(&thread, read_interrupted, ends);
	until_thread_asleep(&thread);
	DONE(pthread_kill(thread.handle, SIGUSR1));
	join(&thread);
	EXPECT(handled_by == thread.id);
}

static uintptr_t handler_stack;

static void tell_stack(int signal)
{
	(void)signal;
	handler_stack = (uintptr_t)__builtin_frame_address(0);
}

static void *handle_on_another_stack(void *argument)
{
	stack_t stack = { .ss_sp = argument, .ss_size = 65536 };

	EXPECT(sigaltstack(&stack, NULL) == 0);
	EXPECT(pthread_kill(pthread_self(), SIGUSR1) == 0);
	return NULL;
}

static void each_thread_has_its_own_alternate_stack(void)
{
	struct thread threads[2];

	catch(SIGUSR1, tell_stack, SA_ONSTACK);
	for (int i = 0; i < 2; i++) {
		char *stack = malloc(65536);

		start(&threads[i], handle_on_another_stack, stack);
		join(&threads[i]);
		EXPECT(handler_stack > (uintptr_t)stack && handler_stack < (uintptr_t)stack + 65536);
	}
}

static void *outlive_main(void *argument)
{
	usleep(20000);
	exit(*(int *)argument);
}

static void main_may_end_before_its_threads(void)
{
	pid_t child = fork();

	if (child == 0) {
		static int status = 5;
		struct thread thread;

		start(&thread, outlive_main, &status);
		pthread_exit(NULL);
	}
	expect_exit(child, 5);
}

static void *pause_for_ever(void *argument)
{
	for (;;)
		pause();
	return argument;
}

static volatile uid_t seen_user;

static void *tell_user(void *argument)
{
	sem_wait(argument);
	seen_user = geteuid();
	return NULL;
}

static void setuid_in_one_thread_changes_all(void)
{
	struct thread teller, sleeper;
	sem_t go;

	sem_init(&go, 0, 0);
	start(&teller, tell_user, &go);
	start(&sleeper, pause_for_ever, NULL);
	until_thread_asleep(&sleeper);
	EXPECT(setgid(1000) == 0 && setuid(1000) == 0);
	sem_post(&go);
	join(&teller);
	EXPECT(seen_user == 1000 && setuid(0) == -1 && errno == EPERM);
}

static void exec_in_a_thread_ends_the_others(void)
{
	pid_t child = fork();

	if (child == 0) {
		struct thread threads[4];

		for (int i = 0; i < 4; i++)
			start(&threads[i], pause_for_ever, NULL);
		execl("/bin/sh", "sh", "-c", "exit 6", NULL);
		_exit(9);
	}
	expect_exit(child, 6);
}

static void the_main_threads_stack_is_told(void)
{
	pthread_attr_t attributes;
	void *lowest;
	size_t length;

	DONE(pthread_getattr_np(pthread_self(), &attributes));
	DONE(pthread_attr_getstack(&attributes, &lowest, &length));
	EXPECT((char *)&attributes > (char *)lowest && (char *)&attributes < (char *)lowest + length);
}

static void *allocate(void *argument)
{
	for (int turn = 0; turn < 2000; turn++) {
		size_t length = (size_t)(turn * 37 % 5000 + 1);
		char *piece = malloc(length);

		memset(piece, turn, length);
		EXPECT(piece[length - 1] == (char)turn);
		free(piece);
	}
	return argument;
}

static void allocation_works_in_many_threads_and_after_a_fork_among_them(void)
{
	struct thread threads[6];

	for (int i = 0; i < 6; i++)
		start(&threads[i], allocate, NULL);
	for (int i = 0; i < 5; i++) {
		pid_t child = fork();

		if (child == 0) {
			allocate(NULL);
			_exit(0);
		}
		expect_exit(child, 0);
	}
	for (int i = 0; i < 6; i++)
		join(&threads[i]);
}

static void prepare(void)
{
	strcat(order, "p");
}

static void in_parent(void)
{
	strcat(order, "a");
}

static void in_child(void)
{
	strcat(order, "c");
}

static void fork_handlers_run_on_both_sides(void)
{
	pid_t child;

	DONE(pthread_atfork(prepare, in_parent, in_child));
	child = fork();
	if (child == 0)
		_exit(strcmp(order, "pc"));
	expect_exit(child, 0);
	EXPECT(strcmp(order, "pa") == 0);
}

static sem_t expired;

static void on_expiry(union sigval value)
{
	EXPECT(value.sival_int == 41 && gettid() != getpid());
	sem_post(&expired);
}

static void a_timer_starts_a_thread_at_each_expiry(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_expiry, .sigev_value.sival_int = 41 };
	struct itimerspec soon = { .it_value.tv_nsec = 5000000, .it_interval.tv_nsec = 5000000 };
	timer_t timer;

	sem_init(&expired, 0, 0);
	EXPECT(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	EXPECT(timer_settime(timer, 0, &soon, NULL) == 0);
	for (int i = 0; i < 3; i++)
		EXPECT(sem_wait(&expired) == 0);
	EXPECT(timer_delete(timer) == 0);
}

static void queued_signals_keep_their_values_and_order(void)
{
	sigset_t set;
	siginfo_t info;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	DONE(pthread_sigmask(SIG_BLOCK, &set, NULL));
	for (int i = 1; i <= 5; i++)
		EXPECT(sigqueue(getpid(), SIGRTMIN, (union sigval) { .sival_int = i }) == 0);
	for (int i = 1; i <= 5; i++)
		EXPECT(sigwaitinfo(&set, &info) == SIGRTMIN && info.si_value.sival_int == i);
}

static sigjmp_buf after_fault;

static void leave_fault(int signal)
{
	siglongjmp(after_fault, signal);
}

static void a_handler_may_jump_out_of_a_fault(void)
{
	volatile char *page = shared_memory();

	EXPECT(mprotect((void *)page, 4096, PROT_READ) == 0);
	catch(SIGSEGV, leave_fault, 0);
	for (volatile int turn = 0; turn < 3; turn++) {
		if (sigsetjmp(after_fault, 1) == 0) {
			*page = 1;
			EXPECT(!"behind a fault");
		}
	}
}

static ucontext_t main_context, other_context;

static void other(void)
{
	strcat(order, "2");
	swapcontext(&other_context, &main_context);
	strcat(order, "4");
}

static void contexts_are_switched(void)
{
	EXPECT(getcontext(&other_context) == 0);
	other_context.uc_stack.ss_sp = malloc(65536);
	other_context.uc_stack.ss_size = 65536;
	other_context.uc_link = &main_context;
	makecontext(&other_context, other, 0);
	strcat(order, "1");
	EXPECT(swapcontext(&main_context, &other_context) == 0);
	strcat(order, "3");
	EXPECT(swapcontext(&main_context, &other_context) == 0);
	EXPECT(strcmp(order, "1234") == 0);
}

/* ---- what processes share ---- */

struct shared {
	pthread_mutex_t mutex;
	pthread_cond_t condition;
	pthread_barrier_t barrier;
	pthread_rwlock_t lock;
	sem_t semaphore;
	int counter;
};

static struct shared *shared_objects(void)
{
	struct shared *shared = shared_memory();
	pthread_mutexattr_t mutex_attributes;
	pthread_condattr_t condition_attributes;
	pthread_barrierattr_t barrier_attributes;
	pthread_rwlockattr_t lock_attributes;

	pthread_mutexattr_init(&mutex_attributes);
	DONE(pthread_mutexattr_setpshared(&mutex_attributes, PTHREAD_PROCESS_SHARED));
	DONE(pthread_mutexattr_setrobust(&mutex_attributes, PTHREAD_MUTEX_ROBUST));
	DONE(pthread_mutex_init(&shared->mutex, &mutex_attributes));
	pthread_condattr_init(&condition_attributes);
	DONE(pthread_condattr_setpshared(&condition_attributes, PTHREAD_PROCESS_SHARED));
	DONE(pthread_condattr_setclock(&condition_attributes, CLOCK_MONOTONIC));
	DONE(pthread_cond_init(&shared->condition, &condition_attributes));
	pthread_barrierattr_init(&barrier_attributes);
	DONE(pthread_barrierattr_setpshared(&barrier_attributes, PTHREAD_PROCESS_SHARED));
	DONE(pthread_barrier_init(&shared->barrier, &barrier_attributes, 3));
	pthread_rwlockattr_init(&lock_attributes);
	DONE(pthread_rwlockattr_setpshared(&lock_attributes, PTHREAD_PROCESS_SHARED));
	DONE(pthread_rwlock_init(&shared->lock, &lock_attributes));
	EXPECT(sem_init(&shared->semaphore, 1, 0) == 0);
	return shared;
}

static void a_robust_mutex_outlives_its_killed_owner(void)
{
	struct shared *shared = shared_objects();
	pid_t waiter, owner = fork();

	if (owner == 0) {
		DONE(pthread_mutex_lock(&shared->mutex));
		pause_for_ever(NULL);
	}
	until_asleep("/proc", owner);
	waiter = fork();
	if (waiter == 0) {
		EXPECT(pthread_mutex_lock(&shared->mutex) == EOWNERDEAD);
		DONE(pthread_mutex_consistent(&shared->mutex));
		DONE(pthread_mutex_unlock(&shared->mutex));
		_exit(0);
	}
	until_asleep("/proc", waiter);
	EXPECT(kill(owner, SIGKILL) == 0);
	expect_exit(waiter, 0);
	DONE(pthread_mutex_lock(&shared->mutex));
}

static void a_condition_variable_wakes_other_processes(void)
{
	struct shared *shared = shared_objects();
	pid_t children[3];

	for (int i = 0; i < 3; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			DONE(pthread_mutex_lock(&shared->mutex));
			while (shared->counter == 0)
				DONE(pthread_cond_wait(&shared->condition, &shared->mutex));
			DONE(pthread_mutex_unlock(&shared->mutex));
			_exit(0);
		}
		until_asleep("/proc", children[i]);
	}
	DONE(pthread_mutex_lock(&shared->mutex));
	shared->counter = 1;
	DONE(pthread_cond_broadcast(&shared->condition));
	DONE(pthread_mutex_unlock(&shared->mutex));
	for (int i = 0; i < 3; i++)
		expect_exit(children[i], 0);
}

static void a_timed_wait_ends_by_its_clock(void)
{
	struct shared *shared = shared_objects();
	struct timespec before, deadline, after;

	clock_gettime(CLOCK_MONOTONIC, &before);
	deadline = before;
	deadline.tv_nsec += 20000000;
	deadline.tv_sec += deadline.tv_nsec / 1000000000;
	deadline.tv_nsec %= 1000000000;
	DONE(pthread_mutex_lock(&shared->mutex));
	EXPECT(pthread_cond_timedwait(&shared->condition, &shared->mutex, &deadline) == ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &after);
	EXPECT(after.tv_sec > deadline.tv_sec || (after.tv_sec == deadline.tv_sec && after.tv_nsec >= deadline.tv_nsec));
}

static void a_barrier_gathers_processes(void)
{
	struct shared *shared = shared_objects();
	pid_t children[3];

	for (int i = 0; i < 3; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			for (int round = 1; round <= 50; round++) {
				__atomic_add_fetch(&shared->counter, 1, __ATOMIC_SEQ_CST);
				pthread_barrier_wait(&shared->barrier);
				EXPECT(shared->counter == 3 * round);
				pthread_barrier_wait(&shared->barrier);
			}
			_exit(0);
		}
	}
	for (int i = 0; i < 3; i++)
		expect_exit(children[i], 0);
}

static void a_read_write_lock_orders_processes(void)
{
	struct shared *shared = shared_objects();
	pid_t writer;

	DONE(pthread_rwlock_rdlock(&shared->lock));
	writer = fork();
	if (writer == 0) {
		EXPECT(pthread_rwlock_trywrlock(&shared->lock) == EBUSY);
		DONE(pthread_rwlock_wrlock(&shared->lock));
		EXPECT(shared->counter == 1);
		_exit(pthread_rwlock_unlock(&shared->lock));
	}
	until_asleep("/proc", writer);
	shared->counter = 1;
	DONE(pthread_rwlock_unlock(&shared->lock));
	expect_exit(writer, 0);
}

static void semaphores_pass_between_processes_by_memory_and_by_name(void)
{
	struct shared *shared = shared_objects();
	sem_t *named = sem_open("/posix-objects", O_CREAT | O_EXCL, 0600, 0);
	pid_t child;

	EXPECT(named != SEM_FAILED);
	child = fork();
	if (child == 0) {
		sem_t *same = sem_open("/posix-objects", 0);

		EXPECT(same != SEM_FAILED && sem_wait(&shared->semaphore) == 0);
		_exit(sem_post(same));
	}
	EXPECT(sem_post(&shared->semaphore) == 0 && sem_wait(named) == 0);
	expect_exit(child, 0);
	EXPECT(sem_unlink("/posix-objects") == 0 && sem_open("/posix-objects", 0) == SEM_FAILED && errno == ENOENT);
}

static void shared_memory_is_found_by_name(void)
{
	int file = shm_open("/posix-objects", O_CREAT | O_EXCL | O_RDWR, 0600);
	pid_t child;
	char *memory;

	EXPECT(file >= 0 && ftruncate(file, 8192) == 0);
	memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	EXPECT(memory != MAP_FAILED);
	child = fork();
	if (child == 0) {
		int same = shm_open("/posix-objects", O_RDWR, 0);

		_exit(pwrite(same, "gate", 4, 5000) != 4);
	}
	expect_exit(child, 0);
	EXPECT(shm_unlink("/posix-objects") == 0 && memcmp(memory + 5000, "gate", 4) == 0);
}

static void both_ends_of_a_fifo_meet(void)
{
	char text[8] = "";
	pid_t child;
	int file;

	EXPECT(mkfifo("fifo", 0600) == 0);
	child = fork();
	if (child == 0) {
		file = open("fifo", O_WRONLY);
		_exit(write(file, "met", 3) != 3);
	}
	file = open("fifo", O_RDONLY);
	EXPECT(read(file, text, sizeof text) == 3 && read(file, text + 3, 1) == 0 && strcmp(text, "met") == 0);
	expect_exit(child, 0);
}

static void descriptors_are_passed_over_a_named_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "socket" };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), connection;
	char byte, room[CMSG_SPACE(sizeof(int))] = "";
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
	pid_t child;

	EXPECT(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 1) == 0);
	child = fork();
	if (child == 0) {
		int ends[2], client = socket(AF_UNIX, SOCK_STREAM, 0);
		struct cmsghdr *control = CMSG_FIRSTHDR(&message);

		EXPECT(pipe(ends) == 0 && write(ends[1], "p", 1) == 1);
		EXPECT(connect(client, (struct sockaddr *)&address, sizeof address) == 0);
		*control = (struct cmsghdr) { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(control), &ends[0], sizeof(int));
		_exit(sendmsg(client, &message, 0) != 1);
	}
	connection = accept(listener, NULL, NULL);
	EXPECT(connection >= 0 && recvmsg(connection, &message, 0) == 1);
	memcpy(&connection, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
	EXPECT(read(connection, &byte, 1) == 1 && byte == 'p');
	expect_exit(child, 0);
}

/* ---- processes ---- */

static void a_spawned_program_gets_its_files_and_arguments(void)
{
	char *words[] = { "sh", "-c", "echo $0 $GATE", "spawned", NULL }, *environment[] = { "GATE=open", NULL };
	posix_spawn_file_actions_t actions;
	char text[32] = "";
	int ends[2];
	pid_t child;

	EXPECT(pipe2(ends, O_CLOEXEC) == 0);
	posix_spawn_file_actions_init(&actions);
	DONE(posix_spawn_file_actions_adddup2(&actions, ends[1], 1));
	DONE(posix_spawn(&child, "/bin/sh", &actions, NULL, words, environment));
	close(ends[1]);
	EXPECT(read(ends[0], text, sizeof text - 1) == 13 && strcmp(text, "spawned open\n") == 0);
	expect_exit(child, 0);
	EXPECT(posix_spawn(&child, "/no/such/program", NULL, NULL, words, environment) == ENOENT);
}

static void popen_and_system_run_commands(void)
{
	char text[32] = "";
	FILE *command = popen("echo from a command; exit 3", "r");

	EXPECT(command != NULL && fgets(text, sizeof text, command) != NULL && strcmp(text, "from a command\n") == 0);
	EXPECT(WEXITSTATUS(pclose(command)) == 3);
	EXPECT(WEXITSTATUS(system("exit 4")) == 4 && WTERMSIG(system("kill -9 $$")) == 9);
}

static void abort_ends_by_its_signal_whatever_handles_it(void)
{
	pid_t child = fork();
	int ended;

	if (child == 0) {
		catch(SIGABRT, tell_thread, 0);
		abort();
	}
	EXPECT(waitpid(child, &ended, 0) == child && WIFSIGNALED(ended) && WTERMSIG(ended) == SIGABRT);
}

static void asynchronous_writes_come_to_be_done(void)
{
	char text[16] = "";
	struct aiocb one = { .aio_buf = "first", .aio_nbytes = 5 }, two = { .aio_buf = "second", .aio_nbytes = 6, .aio_offset = 5 };
	struct aiocb *const list[] = { &one, &two };
	struct sigevent nothing = { .sigev_notify = SIGEV_NONE };

	one.aio_fildes = two.aio_fildes = open("written", O_CREAT | O_RDWR, 0600);
	one.aio_lio_opcode = two.aio_lio_opcode = LIO_WRITE;
	EXPECT(lio_listio(LIO_WAIT, list, 2, &nothing) == 0);
	EXPECT(aio_return(&one) == 5 && aio_return(&two) == 6);
	EXPECT(pread(one.aio_fildes, text, sizeof text, 0) == 11 && strcmp(text, "firstsecond") == 0);
}

/* ---- files, terminals, accounts ---- */

static void temporary_files_are_new_and_go_away(void)
{
	char name[] = "name-XXXXXX", directory[] = "dir-XXXXXX", text[8] = "";
	struct stat status;
	FILE *file = tmpfile();

	EXPECT(file != NULL && fputs("kept", file) >= 0);
	rewind(file);
	EXPECT(fgets(text, sizeof text, file) != NULL && strcmp(text, "kept") == 0);
	EXPECT(fstat(fileno(file), &status) == 0 && status.st_nlink == 0);
	EXPECT(mkstemp(name) >= 0 && stat(name, &status) == 0 && (status.st_mode & 0777) == 0600);
	EXPECT(mkdtemp(directory) != NULL && stat(directory, &status) == 0 && (status.st_mode & 0777) == 0700);
}

static int visits;

static int visit(const char *path, const struct stat *status, int kind, struct FTW *place)
{
	(void)path, (void)status, (void)place;
	visits += kind == FTW_F ? 1 : kind == FTW_D ? 10 : kind == FTW_SL ? 100 : 1000;
	return 0;
}

static void names_are_found_and_resolved(void)
{
	glob_t found;
	char *here = getcwd(NULL, 0), *resolved;

	EXPECT(here != NULL && mkdir("tree", 0700) == 0 && symlink("tree", "link") == 0);
	EXPECT(close(creat("tree/two", 0600)) == 0 && close(creat("tree/one", 0600)) == 0);
	EXPECT(glob("t*/*o*", 0, NULL, &found) == 0 && found.gl_pathc == 2 && strcmp(found.gl_pathv[0], "tree/one") == 0);
	EXPECT(nftw(".", visit, 4, FTW_PHYS) == 0 && visits == 122);
	resolved = realpath("link/../link/./one", NULL);
	EXPECT(resolved != NULL && strncmp(resolved, here, strlen(here)) == 0);
	EXPECT(strcmp(resolved + strlen(here), "/tree/one") == 0);
}

static void a_pair_of_terminals_is_opened_and_named(void)
{
	char text[8] = "";
	int master, terminal;

	EXPECT(openpty(&master, &terminal, NULL, NULL, NULL) == 0);
	EXPECT(isatty(terminal) && strcmp(ttyname(terminal), ptsname(master)) == 0);
	EXPECT(write(master, "keys\n", 5) == 5 && read(terminal, text, sizeof text) == 5 && strcmp(text, "keys\n") == 0);
	EXPECT(ttyname(open("/dev/null", O_RDWR)) == NULL && errno == ENOTTY);
}

static void a_child_leads_the_session_of_its_terminal(void)
{
	int terminal;
	pid_t child = forkpty(&terminal, NULL, NULL, NULL);

	if (child == 0)
		_exit(!(getsid(0) == getpid() && tcgetpgrp(0) == getpid() && open("/dev/tty", O_RDWR) >= 0));
	expect_exit(child, 0);
}

static void users_and_groups_are_looked_up(void)
{
	struct passwd *user = getpwnam("root");
	struct group *group;

	EXPECT(user != NULL && user->pw_uid == 0 && strcmp(user->pw_dir, "/root") == 0);
	user = getpwuid(1000);
	EXPECT(user != NULL && strcmp(user->pw_name, "guest") == 0);
	group = getgrgid(0);
	EXPECT(group != NULL && strcmp(group->gr_name, "root") == 0);
	EXPECT(getpwnam("nobody at all") == NULL);
}

static void the_machine_is_described(void)
{
	double loads[3];
	cpu_set_t cpus;

	EXPECT(sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) == get_nprocs());
	EXPECT(get_nprocs_conf() >= get_nprocs() && sysconf(_SC_PHYS_PAGES) > sysconf(_SC_AVPHYS_PAGES));
	EXPECT(getloadavg(loads, 3) == 3);
	EXPECT(getauxval(AT_SYSINFO_EHDR) != 0 && getauxval(AT_HWCAP) & HWCAP_ASIMD && getauxval(AT_SECURE) == 0);
	EXPECT(strcmp((char *)getauxval(AT_PLATFORM), "aarch64") == 0);
}

/* ---- running them ---- */

struct test {
	const char *name;
	void (*body)(void);
};

#define TEST(name) { #name, name }

static const struct test tests[] = {
	TEST(thread_local_variables_start_anew_in_each_thread),
	TEST(errno_is_each_threads_own),
	TEST(cleanup_handlers_run_last_first_when_a_read_is_cancelled),
	TEST(a_cancelled_condition_wait_has_the_mutex_in_its_cleanup),
	TEST(pthread_kill_interrupts_that_thread),
	TEST(each_thread_has_its_own_alternate_stack),
	TEST(main_may_end_before_its_threads),
	TEST(setuid_in_one_thread_changes_all),
	TEST(exec_in_a_thread_ends_the_others),
	TEST(the_main_threads_stack_is_told),
	TEST(allocation_works_in_many_threads_and_after_a_fork_among_them),
	TEST(fork_handlers_run_on_both_sides),
	TEST(a_timer_starts_a_thread_at_each_expiry),
	TEST(queued_signals_keep_their_values_and_order),
	TEST(a_handler_may_jump_out_of_a_fault),
	TEST(contexts_are_switched),
	TEST(a_robust_mutex_outlives_its_killed_owner),
	TEST(a_condition_variable_wakes_other_processes),
	TEST(a_timed_wait_ends_by_its_clock),
	TEST(a_barrier_gathers_processes),
	TEST(a_read_write_lock_orders_processes),
	TEST(semaphores_pass_between_processes_by_memory_and_by_name),
	TEST(shared_memory_is_found_by_name),
	TEST(both_ends_of_a_fifo_meet),
	TEST(descriptors_are_passed_over_a_named_socket),
	TEST(a_spawned_program_gets_its_files_and_arguments),
	TEST(popen_and_system_run_commands),
	TEST(abort_ends_by_its_signal_whatever_handles_it),
	TEST(asynchronous_writes_come_to_be_done),
	TEST(temporary_files_are_new_and_go_away),
	TEST(names_are_found_and_resolved),
	TEST(a_pair_of_terminals_is_opened_and_named),
	TEST(a_child_leads_the_session_of_its_terminal),
	TEST(users_and_groups_are_looked_up),
	TEST(the_machine_is_described),
};

/* Runs a test in a process group and a directory of its own; whether it ended well. */
static bool passes(const struct test *test)
{
	char directory[] = "/tmp/posix-objects-XXXXXX";
	int ended;
	pid_t child;

	EXPECT(mkdtemp(directory) != NULL && chdir(directory) == 0);
	fflush(stdout);
	child = fork();
	if (child == 0) {
		setpgid(0, 0);
		alarm(LIMIT_S);
		test->body();
		_exit(0);
	}
	EXPECT(waitpid(child, &ended, 0) == child);
	kill(-child, SIGKILL);
	if (WIFSIGNALED(ended))
		printf("# ended by signal %d\n", WTERMSIG(ended));
	return ended == 0;
}

int main(void)
{
	const int count = sizeof tests / sizeof *tests;
	int failures = 0;

	printf("KTAP version 1\n1..%d\n", count);
	for (int i = 0; i < count; i++) {
		bool passed = passes(&tests[i]);

		failures += !passed;
		printf("%sok %d %s\n", passed ? "" : "not ", i + 1, tests[i].name);
	}
	return failures != 0;
}
