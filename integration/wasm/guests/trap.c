// Shows: each kind of trap, three named functions below main: outer, middle and the kind's own.
// Built three times: with DWARF, with names only (trap-names), with neither (trap-bare).
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define APART __attribute__((noinline))

volatile int zero = 0;
volatile int lowest = INT32_MIN;
volatile int result;
volatile float huge = 1e30f;
volatile int beyond_the_end = -16;

static int answer(int x) { return x + 42; }
static void nothing(void) {}

// Clang casts function pointers without a word; the engine compares their types at the call.
int (*volatile right_type)(int) = answer;
void (*volatile other_type)(void) = nothing;
int (*volatile no_function)(int) = NULL;
int (*volatile no_element)(int) = (int (*)(int))0x7fffffff;

APART static void unreachable(void) { __builtin_trap(); }
APART static void divide(void) { result = lowest / zero; }
APART static void overflow(void) { result = lowest / (zero - 1); }
APART static void convert(void) { result = __builtin_wasm_trunc_s_i32_f32(huge); }
APART static void memory(void) { result = *(volatile int *)(uintptr_t)beyond_the_end; }
APART static void type(void) { result = ((int (*)(int))other_type)(1); }
APART static void null(void) { result = no_function(1); }
APART static void element(void) { result = no_element(1); }

// The stack of C lies in the linear memory, below everything else (wasm-ld --stack-first).
APART static int stack(int depth) {
    volatile char frame[4096];
    frame[depth & 4095] = (char)depth;
    return depth < zero ? 0 : stack(depth + 1) + frame[(depth + 1) & 4095];
}
APART static void overrun(void) { result = stack(0); }

static const struct {
    const char *name;
    void (*cause)(void);
} kinds[] = {
    {"unreachable", unreachable}, {"divide", divide}, {"overflow", overflow}, {"convert", convert}, {"memory", memory},
    {"type", type},               {"null", null},     {"element", element},   {"stack", overrun},
};

APART static void middle(int kind) {
    kinds[kind].cause();
    result++;
}

APART static void outer(int kind) {
    middle(kind);
    result++;
}

int main(int argc, char **argv) {
    const char *wanted = argc > 1 ? argv[1] : "unreachable";
    result = right_type(0);
    for (unsigned kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        if (strcmp(wanted, kinds[kind].name) != 0)
            continue;
        printf("before %s\n", wanted);
        fflush(stdout);
        outer((int)kind);
    }
    fprintf(stderr, "no such trap: %s\n", wanted);
    return 2;
}
