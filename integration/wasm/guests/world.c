// Shows: what the module is given: arguments, environment, working directory, terminals, stdin.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static void stdin_lines(void) {
    char line[4096];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        printf("stdin [%s]\n", line);
    }
}

// What a program does that wants its working directory: the C library always begins in /, whatever PWD says.
static void enter(const char *directory) {
    char entered[4096], line[4096] = "";
    FILE *note = chdir(directory) == 0 ? fopen("note", "r") : NULL;
    if (note && fgets(line, sizeof line, note))
        line[strcspn(line, "\n")] = 0;
    printf("entered [%s] note [%s]\n", getcwd(entered, sizeof entered), line);
}

int main(int argc, char **argv) {
    char directory[4096];
    struct stat here;
    for (int i = 0; i < argc; i++)
        printf("arg %d [%s]\n", i, argv[i]);
    for (char **entry = environ; *entry; entry++)
        printf("env [%s]\n", *entry);
    printf("cwd [%s]\n", getcwd(directory, sizeof directory));
    printf("here [%s]\n", stat(".", &here) == 0 ? "ok" : strerror(errno));
    if (getenv("PWD"))
        enter(getenv("PWD"));
    for (int fd = 0; fd < 3; fd++)
        printf("tty %d [%s]\n", fd, isatty(fd) ? "yes" : "no");
    fflush(stdout);
    stdin_lines();
    fputs("stderr is heard\n", stderr);
    return 0;
}
