// Shows: no way out of a preopen. Every preopen is tried with raw path calls, past the checks of wasi-libc.
//   escape [SECRET]   SECRET: what lies beside the preopened directory and must stay unseen (`secret`)
// Each try prints `held WAY ERROR`, or `ESCAPED WAY`, and then the code is 1. A writable preopen is left as it was found.
#include <stdio.h>
#include <string.h>
#include <wasi/api.h>

#define READ (__WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_FILESTAT_GET)
#define FOLLOW __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW

static int escaped;

static void report(const char *way, __wasi_errno_t error) {
    printf(error ? "held %s %d\n" : "ESCAPED %s\n", way, error);
    escaped |= !error;
}

static __wasi_errno_t open_at(__wasi_fd_t directory, const char *path, __wasi_oflags_t flags, __wasi_rights_t rights) {
    __wasi_fd_t file;
    __wasi_errno_t error = __wasi_path_open(directory, FOLLOW, path, flags, rights, 0, 0, &file);
    if (!error)
        (void)__wasi_fd_close(file);
    return error;
}

static void paths(__wasi_fd_t directory, const char *secret) {
    char path[512];
    __wasi_filestat_t seen;
    snprintf(path, sizeof path, "../%s", secret);
    report("dotdot", open_at(directory, path, 0, READ));
    report("dotdot-stat", __wasi_path_filestat_get(directory, FOLLOW, path, &seen));
    snprintf(path, sizeof path, "./.././%s", secret);
    report("dots", open_at(directory, path, 0, READ));
    snprintf(path, sizeof path, "a/../../%s", secret);
    report("through-nothing", open_at(directory, path, 0, READ));
    report("absolute", open_at(directory, "/etc/passwd", 0, READ));
    report("parent", open_at(directory, "..", __WASI_OFLAGS_DIRECTORY, __WASI_RIGHTS_FD_READDIR));
    report("create", open_at(directory, "../skiff-escaped", __WASI_OFLAGS_CREAT, __WASI_RIGHTS_FD_WRITE));
    report("mkdir", __wasi_path_create_directory(directory, "../skiff-escaped"));
    report("rename", __wasi_path_rename(directory, "../skiff-escaped", directory, "skiff-taken"));
}

static void link_to(__wasi_fd_t directory, const char *way, const char *target) {
    __wasi_errno_t error = __wasi_path_symlink(target, directory, "skiff-link");
    // A read-only preopen, and engines that refuse to make such a link at all.
    if (error) {
        report(way, error);
        return;
    }
    report(way, open_at(directory, "skiff-link", 0, READ));
    (void)__wasi_path_unlink_file(directory, "skiff-link");
}

static void links(__wasi_fd_t directory, const char *secret) {
    char target[512];
    snprintf(target, sizeof target, "../%s", secret);
    link_to(directory, "link-dotdot", target);
    link_to(directory, "link-absolute", "/etc/passwd");
    link_to(directory, "link-proc", "/proc/self/root/etc/passwd");
    // These were there before the module came: whoever sets up the test made them.
    report("found-link", open_at(directory, "found-link", 0, READ));
    snprintf(target, sizeof target, "found-directory/%s", secret);
    report("found-directory", open_at(directory, target, 0, READ));
}

int main(int argc, char **argv) {
    const char *secret = argc > 1 ? argv[1] : "secret";
    __wasi_prestat_t preopen;
    __wasi_fd_t fd = 3;
    for (; __wasi_fd_prestat_get(fd, &preopen) == 0; fd++) {
        paths(fd, secret);
        links(fd, secret);
    }
    printf("%d preopens\n", fd - 3);
    return escaped;
}
