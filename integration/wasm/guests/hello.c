// Shows: a module starts, writes to stdout and ends with 0. Also built natively (native.wasm), for what must not run as a module.
#include <stdio.h>

int main(void) {
#ifdef __wasm__
    puts("hello from wasm");
#else
    puts("hello from a native program");
#endif
    return 0;
}
