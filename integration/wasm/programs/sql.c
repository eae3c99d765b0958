// Shows: a real program, SQLite with its files below a preopen.
//   sqlite FILE SQL...   runs each SQL on the database, prints a line a row, columns parted by `|`
#include <sqlite3.h>
#include <stdio.h>

static int print_row(void *unused, int count, char **values, char **names) {
    (void)unused;
    (void)names;
    for (int i = 0; i < count; i++)
        printf("%s%s", i ? "|" : "", values[i] ? values[i] : "NULL");
    puts("");
    return 0;
}

static int run(sqlite3 *database, char *const *statements) {
    for (; *statements; statements++) {
        if (sqlite3_exec(database, *statements, print_row, NULL, NULL) != SQLITE_OK) {
            fprintf(stderr, "%s: %s\n", *statements, sqlite3_errmsg(database));
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv) {
    sqlite3 *database;
    int failed;
    if (argc < 3) {
        fputs("usage: sqlite FILE SQL...\n", stderr);
        return 2;
    }
    if (sqlite3_open(argv[1], &database) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", argv[1], sqlite3_errmsg(database));
        return 1;
    }
    failed = run(database, argv + 2);
    return sqlite3_close(database) != SQLITE_OK || failed;
}
