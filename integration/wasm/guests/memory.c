// Shows: the limit of memory, as the module sees it.
//   memory grow [PAGES]   memory.grow by 16 pages (64 KiB each) until it fails or PAGES are there
//   memory touch [PAGES]  the same, and each page is written      memory malloc   malloc until it gives NULL
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 65536u
#define STEP 16u
#define MEBIBYTE 1048576u

static size_t pages(void) { return __builtin_wasm_memory_size(0); }

static void grow(size_t most, int touch) {
    while (pages() + STEP <= most) {
        size_t before = __builtin_wasm_memory_grow(0, STEP);
        if (before == (size_t)-1)
            break;
        for (size_t page = before; touch && page < before + STEP; page++)
            *(volatile char *)(page * PAGE) = 1;
    }
    printf("grew to %zu pages\n", pages());
}

static void allocate(void) {
    size_t count = 0;
    for (char *block; (block = malloc(MEBIBYTE)); count++)
        *(volatile char *)block = 1;
    printf("malloc gave %zu MiB\n", count);
}

int main(int argc, char **argv) {
    const char *way = argc > 1 ? argv[1] : "grow";
    printf("began with %zu pages\n", pages());
    fflush(stdout);
    if (strcmp(way, "malloc") == 0)
        allocate();
    else
        grow(argc > 2 ? strtoul(argv[2], NULL, 0) : PAGE, strcmp(way, "touch") == 0);
    return 0;
}
