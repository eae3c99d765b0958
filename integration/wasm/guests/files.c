// Shows: files below the preopens, by the ordinary calls of C. One act a run:
//   files ls DIR | read FILE | write FILE TEXT | append FILE TEXT | remove FILE | mkdir DIR | rmdir DIR
//   files rename OLD NEW | symlink TARGET NAME | link OLD NEW | readlink NAME | stat FILE
// A failure prints the act, the error's number in WASI and its text on stderr, and ends with 1.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static int list(const char *path) {
    char *names[1024];
    size_t count = 0;
    DIR *directory = opendir(path);
    if (!directory)
        return -1;
    for (struct dirent *entry; count < 1024 && (entry = readdir(directory));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            names[count++] = strdup(entry->d_name);
    qsort(names, count, sizeof *names, by_name);
    for (size_t i = 0; i < count; i++)
        puts(names[i]);
    return closedir(directory);
}

static int copy_out(const char *path) {
    char bytes[4096];
    size_t count;
    FILE *file = fopen(path, "r");
    if (!file)
        return -1;
    while ((count = fread(bytes, 1, sizeof bytes, file)))
        fwrite(bytes, 1, count, stdout);
    return ferror(file) ? -1 : fclose(file);
}

static int put(const char *path, const char *mode, const char *text) {
    FILE *file = fopen(path, mode);
    if (!file)
        return -1;
    return fputs(text, file) < 0 ? -1 : fclose(file);
}

static int show(const char *path) {
    struct stat seen;
    if (lstat(path, &seen) != 0)
        return -1;
    const char *kind = S_ISDIR(seen.st_mode)   ? "directory"
                       : S_ISREG(seen.st_mode) ? "file"
                       : S_ISLNK(seen.st_mode) ? "link"
                                               : "other";
    printf("%s %lld\n", kind, S_ISREG(seen.st_mode) ? (long long)seen.st_size : 0);
    return 0;
}

static int follow(const char *path) {
    char target[4096];
    ssize_t length = readlink(path, target, sizeof target);
    return length < 0 ? -1 : (printf("%.*s\n", (int)length, target), 0);
}

static int act(const char *name, const char *path, const char *other) {
    if (strcmp(name, "ls") == 0) return list(path);
    if (strcmp(name, "read") == 0) return copy_out(path);
    if (strcmp(name, "write") == 0) return put(path, "w", other);
    if (strcmp(name, "append") == 0) return put(path, "a", other);
    if (strcmp(name, "remove") == 0) return unlink(path);
    if (strcmp(name, "mkdir") == 0) return mkdir(path, 0777);
    if (strcmp(name, "rmdir") == 0) return rmdir(path);
    if (strcmp(name, "rename") == 0) return rename(path, other);
    if (strcmp(name, "symlink") == 0) return symlink(path, other);
    if (strcmp(name, "link") == 0) return link(path, other);
    if (strcmp(name, "readlink") == 0) return follow(path);
    if (strcmp(name, "stat") == 0) return show(path);
    errno = ENOSYS;
    return -1;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fputs("usage: files ACT PATH [OTHER]\n", stderr);
        return 2;
    }
    if (act(argv[1], argv[2], argc > 3 ? argv[3] : "") == 0)
        return 0;
    fprintf(stderr, "%s %s: error %d: %s\n", argv[1], argv[2], errno, strerror(errno));
    return 1;
}
