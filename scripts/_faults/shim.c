/* Makes file operations below one folder fail, and shifts the clock: loaded before libc (LD_PRELOAD).
 *
 * What to do is read from a file that all processes of a grid map (struct control, see shim.py), so that "the k-th
 * operation" counts those of the driver and of its workers together. It reaches whatever calls libc: Python, pyarrow,
 * torch. It does not reach file descriptors that were made by dup, and mmap. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct control {
  char folder[512];  /* absolute, without the last slash */
  long count;        /* operations so far */
  long first, last;  /* those that fail; none where last < first */
  long error;        /* errno */
  long writing;      /* 1: only what writes is counted */
  long failed;       /* how many have failed */
};

static struct control *control;
static double shift;     /* seconds that this process's clock is ahead */
static char mine[4096];  /* descriptors of files below the folder */

void faults_map(const char *path) {
  static int (*real)(const char *, int, ...);
  if (!real) real = dlsym(RTLD_NEXT, "open64");
  int file = real(path, O_RDWR);
  if (file < 0) return;
  void *place = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  control = place == MAP_FAILED ? NULL : place;
}

void faults_shift(double seconds) { shift = seconds; }

__attribute__((constructor)) static void begin(void) {
  if (getenv("FAULTS_CONTROL")) faults_map(getenv("FAULTS_CONTROL"));
  if (getenv("FAULTS_SHIFT")) shift = atof(getenv("FAULTS_SHIFT"));
}

static int below(const char *path) {
  if (!control || !path || !control->folder[0]) return 0;
  size_t length = strlen(control->folder);
  if (path[0] == '/') return !strncmp(path, control->folder, length) && (path[length] == '/' || !path[length]);
  /* The grid's own paths are relative to the folder that holds the results folder. */
  const char *name = strrchr(control->folder, '/') + 1;
  size_t short_length = strlen(name);
  return !strncmp(path, name, short_length) && (path[short_length] == '/' || !path[short_length]);
}

static int fails(int writes) {
  if (!control || (control->writing && !writes)) return 0;
  long number = __atomic_add_fetch(&control->count, 1, __ATOMIC_SEQ_CST);
  if (number < control->first || number > control->last) return 0;
  __atomic_add_fetch(&control->failed, 1, __ATOMIC_SEQ_CST);
  errno = control->error;
  return 1;
}

static int is_mine(int file) { return file >= 0 && file < (int)sizeof mine && mine[file]; }

#define REAL(name) \
  static __typeof__(&name) real; \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define OPENS(name, parameters, path, flags, call) \
  int name parameters { \
    REAL(name); \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
      va_list rest; \
      va_start(rest, flags); \
      mode = va_arg(rest, mode_t); \
      va_end(rest); \
    } \
    int ours = below(path); \
    if (ours && fails(flags & (O_CREAT | O_WRONLY | O_RDWR))) return -1; \
    int file = call; \
    if (file >= 0 && file < (int)sizeof mine) mine[file] = ours; \
    return file; \
  }
OPENS(open, (const char *path, int flags, ...), path, flags, real(path, flags, mode))
OPENS(open64, (const char *path, int flags, ...), path, flags, real(path, flags, mode))
OPENS(openat, (int at, const char *path, int flags, ...), path, flags, real(at, path, flags, mode))
OPENS(openat64, (int at, const char *path, int flags, ...), path, flags, real(at, path, flags, mode))

#define WRAP(result, name, parameters, ours, writes, failure, call) \
  result name parameters { \
    REAL(name); \
    if ((ours) && fails(writes)) return failure; \
    return call; \
  }
WRAP(ssize_t, write, (int file, const void *from, size_t size), is_mine(file), 1, -1, real(file, from, size))
WRAP(ssize_t, read, (int file, void *to, size_t size), is_mine(file), 0, -1, real(file, to, size))
WRAP(int, fsync, (int file), is_mine(file), 1, -1, real(file))
WRAP(int, rename, (const char *a, const char *b), below(a) || below(b), 1, -1, real(a, b))
WRAP(int, renameat, (int c, const char *a, int d, const char *b), below(a) || below(b), 1, -1, real(c, a, d, b))
WRAP(int, unlink, (const char *path), below(path), 1, -1, real(path))
WRAP(int, unlinkat, (int at, const char *path, int flags), below(path), 1, -1, real(at, path, flags))
WRAP(int, mkdir, (const char *path, mode_t mode), below(path), 1, -1, real(path, mode))
WRAP(DIR *, opendir, (const char *path), below(path), 0, NULL, real(path))
WRAP(int, stat64, (const char *path, struct stat64 *to), below(path), 0, -1, real(path, to))
WRAP(int, fstatat64, (int at, const char *path, struct stat64 *to, int flags), below(path), 0, -1,
     real(at, path, to, flags))
WRAP(int, stat, (const char *path, struct stat *to), below(path), 0, -1, real(path, to))
WRAP(int, fstatat, (int at, const char *path, struct stat *to, int flags), below(path), 0, -1,
     real(at, path, to, flags))

int close(int file) {
  REAL(close);
  if (file >= 0 && file < (int)sizeof mine) mine[file] = 0;
  return real(file);
}

int clock_gettime(clockid_t clock, struct timespec *to) {
  REAL(clock_gettime);
  int result = real(clock, to);
  if (!result && shift && clock == CLOCK_REALTIME) to->tv_sec += (time_t)shift;
  return result;
}

int gettimeofday(struct timeval *restrict to, void *restrict zone) {
  REAL(gettimeofday);
  int result = real(to, zone);
  if (!result && shift) to->tv_sec += (time_t)shift;
  return result;
}

time_t time(time_t *to) {
  REAL(time);
  time_t now = real(NULL) + (time_t)shift;
  if (to) *to = now;
  return now;
}
