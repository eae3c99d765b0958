// Shows: WasmEdge's plugin wasi_logging, a message for each level: 0 trace, 1 debug, 2 info, 3 warning, 4 error, 5 critical.
// Contexts: "stdout" and "stderr" print there; an empty context is stdout as well.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

__attribute__((import_module("wasi:logging/logging"), import_name("log"))) void log_message(
    int32_t level, const char *context, int32_t context_size, const char *message, int32_t message_size);

static void say(int level, const char *context, const char *message) {
    log_message(level, context, (int32_t)strlen(context), message, (int32_t)strlen(message));
}

int main(void) {
    char message[64];
    for (int level = 0; level < 6; level++) {
        snprintf(message, sizeof message, "level %d on stderr", level);
        say(level, "stderr", message);
    }
    say(2, "stdout", "info on stdout");
    return 0;
}
