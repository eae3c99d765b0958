// Shows: a module without _start: its exports are called by name, after `_initialize`, which runs the constructor.
#include <stdio.h>

#define EXPORT(name) __attribute__((export_name(name)))

static int ready;

__attribute__((constructor)) static void prepare(void) { ready = 1; }

EXPORT("greet") void greet(void) {
    printf("reactor: %s\n", ready ? "initialized" : "NOT INITIALIZED");
    fflush(stdout);
}

EXPORT("add") int add(int a, int b) { return a + b; }

EXPORT("seven") int seven(void) { return 7; }

EXPORT("fail") void fail(void) { __builtin_trap(); }
