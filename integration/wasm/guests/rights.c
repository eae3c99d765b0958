// Shows: what WASI gives to everybody (clocks, random numbers, yielding), and what to nobody who lacks a descriptor for it.
// Each try prints `NAME allowed` or `NAME denied ERROR`; the code is 1 when one went otherwise than it must.
#include <stdio.h>
#include <string.h>
#include <wasi/api.h>

static int wrong;

static void expect(const char *name, int allowed, __wasi_errno_t error) {
    if (error)
        printf("%s denied %d\n", name, error);
    else
        printf("%s allowed\n", name);
    wrong |= allowed == (error != 0);
}

static void everybody(void) {
    __wasi_timestamp_t time, resolution;
    __wasi_size_t count, size;
    uint8_t bytes[32] = {0}, zeros[32] = {0};
    expect("realtime", 1, __wasi_clock_time_get(__WASI_CLOCKID_REALTIME, 1, &time));
    // 2020-09-13: a clock that stands at zero is none.
    expect("realtime-later-than-2020", 1, time > 1600000000000000000ull ? 0 : __WASI_ERRNO_INVAL);
    expect("monotonic", 1, __wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 1, &time));
    expect("resolution", 1, __wasi_clock_res_get(__WASI_CLOCKID_MONOTONIC, &resolution));
    expect("random", 1, __wasi_random_get(bytes, sizeof bytes));
    expect("random-not-zero", 1, memcmp(bytes, zeros, sizeof bytes) ? 0 : __WASI_ERRNO_INVAL);
    expect("yield", 1, __wasi_sched_yield());
    expect("arguments", 1, __wasi_args_sizes_get(&count, &size));
}

static void nobody(void) {
    __wasi_fd_t file;
    __wasi_size_t count;
    __wasi_filesize_t position;
    uint8_t byte = 'x';
    __wasi_ciovec_t one = {&byte, 1};
    const __wasi_rights_t all = __WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_WRITE;
    // Descriptor 1000 stands for whatever the engine itself has open: a file of the log, the module, a cgroup.
    expect("open-below-1000", 0, __wasi_path_open(1000, 0, "etc/passwd", 0, all, 0, 0, &file));
    expect("write-1000", 0, __wasi_fd_write(1000, &one, 1, &count));
    expect("seek-1000", 0, __wasi_fd_seek(1000, 0, __WASI_WHENCE_SET, &position));
    expect("close-1000", 0, __wasi_fd_close(1000));
    expect("renumber-1000", 0, __wasi_fd_renumber(1000, 1));
    expect("open-below-stdin", 0, __wasi_path_open(0, 0, "etc/passwd", 0, all, 0, 0, &file));
    expect("mkdir-below-stdout", 0, __wasi_path_create_directory(1, "skiff"));
    expect("symlink-below-stdout", 0, __wasi_path_symlink("/etc", 1, "skiff"));
    expect("truncate-stdout", 0, __wasi_fd_filestat_set_size(1, 0));
}

int main(void) {
    everybody();
    nobody();
    return wrong;
}
