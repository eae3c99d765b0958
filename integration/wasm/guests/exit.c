// Shows: every way to end, and the code that arrives outside.
//   exit main N   main's return      exit exit N   exit(), which flushes stdout
//   exit proc N   proc_exit with all 32 bits of N      exit abort   abort(), a trap
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasi/api.h>

int main(int argc, char **argv) {
    const char *way = argc > 1 ? argv[1] : "main";
    long long code = argc > 2 ? strtoll(argv[2], NULL, 0) : 0;
    printf("%s %lld", way, code);
    if (strcmp(way, "exit") == 0)
        exit((int)code);
    puts("");
    fflush(stdout);
    if (strcmp(way, "proc") == 0)
        __wasi_proc_exit((__wasi_exitcode_t)code);
    if (strcmp(way, "abort") == 0)
        abort();
    return (int)code;
}
