// Shows: which descriptors the module has: 0, 1, 2 and the preopens, none besides.
// A line each: number, file type, rights in hexadecimal (base, inheriting), and a preopen's name in the module.
#include <stdio.h>
#include <wasi/api.h>

#define PROBED 1024

static const char *type_name(__wasi_filetype_t type) {
    static const char *const names[] = {"unknown", "block", "character", "directory", "file", "datagram", "stream", "link"};
    return type < sizeof names / sizeof *names ? names[type] : "invalid";
}

static void print_preopen(__wasi_fd_t fd) {
    __wasi_prestat_t preopen;
    char name[4096];
    if (__wasi_fd_prestat_get(fd, &preopen) != 0 || preopen.u.dir.pr_name_len >= sizeof name)
        return;
    if (__wasi_fd_prestat_dir_name(fd, (uint8_t *)name, preopen.u.dir.pr_name_len) == 0)
        printf(" preopen [%.*s]", (int)preopen.u.dir.pr_name_len, name);
}

int main(void) {
    int open = 0;
    for (__wasi_fd_t fd = 0; fd < PROBED; fd++) {
        __wasi_fdstat_t state;
        if (__wasi_fd_fdstat_get(fd, &state) != 0)
            continue;
        printf("fd %d %s %llx %llx", fd, type_name(state.fs_filetype), state.fs_rights_base, state.fs_rights_inheriting);
        print_preopen(fd);
        puts("");
        open++;
    }
    printf("%d open\n", open);
    return 0;
}
