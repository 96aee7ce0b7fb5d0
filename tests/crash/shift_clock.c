/* Preloaded into a server under test: adds what the file named by SHIFT_CLOCK holds (a 64-bit
 * number of seconds, which the test may change at any time) to the wall clock. The monotonic clocks
 * stay true, as when an operator or a time daemon sets the wall clock. Whether the kernel calls the
 * clock synchronised is the file's second number, 0 or 1, whatever this machine's says. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift_seconds;

__attribute__((constructor)) static void shift_open(void)
{
    const char *path = getenv("SHIFT_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, 2 * sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);

    if (map == MAP_FAILED) {
        abort(); /* a test that shifts nothing would prove nothing */
    }
    (void)close(fd);
    shift_seconds = map;
}

int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    long r = syscall(SYS_clock_gettime, clock, ret_time);

    if (r == 0 && shift_seconds && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        ret_time->tv_sec += *shift_seconds;
    }
    return (int)r;
}

int adjtimex(struct timex *timex)
{
    *timex = (struct timex){.status = shift_seconds[1] ? 0 : STA_UNSYNC};
    return shift_seconds[1] ? TIME_OK : TIME_ERROR;
}
