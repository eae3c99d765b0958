// Shows: signals and limits of time, in each state a module can be in.
//   wait busy   a loop without end      wait sleep [SECONDS]   poll_oneoff      wait read   fd_read on stdin
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

volatile unsigned long long turns;

int main(int argc, char **argv) {
    const char *state = argc > 1 ? argv[1] : "busy";
    char byte;
    printf("%s\n", state);
    fflush(stdout);
    if (strcmp(state, "busy") == 0)
        for (;;)
            turns++;
    if (strcmp(state, "sleep") == 0)
        sleep(argc > 2 ? (unsigned)atoi(argv[2]) : 600);
    if (strcmp(state, "read") == 0)
        while (read(0, &byte, 1) == 1)
            ;
    puts("awake");
    return 0;
}
