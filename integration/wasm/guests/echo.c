// Shows: WasmEdge's socket extension: an echo server and its client, over TCP, version 4 of IP.
//   echo serve ADDRESS PORT [CONNECTIONS]   port 0: any; prints `listening PORT`, then `echoed N` for each connection
//   echo connect ADDRESS PORT TEXT          sends TEXT, prints what comes back
// Built three times, after the forms of the extension:
//   FORM 1   the names of before 0.12, sock_accept with two parameters, addresses of 4 bytes      (echo)
//   FORM 2   the names that end in _v2, addresses of 128 bytes that begin with their family       (echo-v2)
//   FORM 3   the names of FORM 1, but sock_accept as WASI preview 1 has it, with flags            (echo-wasi)
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if FORM == 2
#define NAMED(name) name "_v2"
#else
#define NAMED(name) name
#endif
#define FROM_WASI(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(name)))

struct address {
    uint8_t *bytes;
    uint32_t size;
};
struct piece {
    void *bytes;
    uint32_t size;
};

FROM_WASI(NAMED("sock_open")) int32_t sock_open(int32_t family, int32_t type, int32_t *fd);
FROM_WASI(NAMED("sock_bind")) int32_t sock_bind(int32_t fd, struct address *address, int32_t port);
FROM_WASI(NAMED("sock_listen")) int32_t sock_listen(int32_t fd, int32_t backlog);
FROM_WASI(NAMED("sock_connect")) int32_t sock_connect(int32_t fd, struct address *address, int32_t port);
FROM_WASI(NAMED("sock_recv"))
int32_t sock_recv(int32_t fd, struct piece *pieces, int32_t count, int32_t flags, uint32_t *size, uint32_t *out);
FROM_WASI(NAMED("sock_send"))
int32_t sock_send(int32_t fd, struct piece *pieces, int32_t count, int32_t flags, uint32_t *size);
FROM_WASI("sock_setsockopt") int32_t sock_setsockopt(int32_t fd, int32_t level, int32_t name, void *value, int32_t size);
FROM_WASI("sock_shutdown") int32_t sock_shutdown(int32_t fd, int32_t how);
FROM_WASI("fd_close") int32_t fd_close(int32_t fd);
#if FORM == 1
FROM_WASI("sock_accept") int32_t sock_accept(int32_t fd, int32_t *connection);
#define ACCEPT(fd, connection) sock_accept(fd, connection)
#else
FROM_WASI(NAMED("sock_accept")) int32_t sock_accept(int32_t fd, int32_t flags, int32_t *connection);
#define ACCEPT(fd, connection) sock_accept(fd, 0, connection)
#endif
#if FORM == 2
FROM_WASI("sock_getlocaladdr_v2") int32_t sock_getlocaladdr(int32_t fd, struct address *address, uint32_t *port);
#define LOCAL(fd, address, port) sock_getlocaladdr(fd, address, port)
#else
FROM_WASI("sock_getlocaladdr") int32_t sock_getlocaladdr(int32_t fd, struct address *address, uint32_t *type, uint32_t *port);
static uint32_t address_type;
#define LOCAL(fd, address, port) sock_getlocaladdr(fd, address, &address_type, port)
#endif

enum { INET4 = 1, STREAM = 2, WRITE_END = 2, LEVEL_SOCKET = 0, REUSE_ADDRESS = 0 };

static void must(const char *act, int32_t error) {
    if (!error)
        return;
    fprintf(stderr, "%s: error %d\n", act, error);
    exit(1);
}

static struct address parse(const char *text) {
    static uint8_t bytes[128];
    uint8_t *at = bytes;
    unsigned part[4];
    struct address address = {bytes, 4};
    if (sscanf(text, "%u.%u.%u.%u", part, part + 1, part + 2, part + 3) != 4)
        must("address", 28);
    if (FORM == 2) {
        bytes[0] = INET4;
        at = bytes + 2;
        address.size = sizeof bytes;
    }
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)part[i];
    return address;
}

static uint32_t receive(int32_t fd, void *bytes, uint32_t size) {
    struct piece piece = {bytes, size};
    uint32_t count, flags;
    must("sock_recv", sock_recv(fd, &piece, 1, 0, &count, &flags));
    return count;
}

static void send_all(int32_t fd, char *bytes, uint32_t size) {
    while (size > 0) {
        struct piece piece = {bytes, size};
        uint32_t count;
        must("sock_send", sock_send(fd, &piece, 1, 0, &count));
        bytes += count;
        size -= count;
    }
}

static void echo(int32_t connection) {
    char bytes[4096];
    unsigned total = 0;
    for (uint32_t count; (count = receive(connection, bytes, sizeof bytes)) > 0; total += count)
        send_all(connection, bytes, count);
    must("fd_close", fd_close(connection));
    printf("echoed %u\n", total);
    fflush(stdout);
}

static void serve(int32_t fd, struct address *address, int port, int connections) {
    int32_t connection, yes = 1;
    uint32_t bound;
    must("sock_setsockopt", sock_setsockopt(fd, LEVEL_SOCKET, REUSE_ADDRESS, &yes, sizeof yes));
    must("sock_bind", sock_bind(fd, address, port));
    must("sock_listen", sock_listen(fd, 16));
    must("sock_getlocaladdr", LOCAL(fd, address, &bound));
    printf("listening %u\n", bound);
    fflush(stdout);
    for (; connections > 0; connections--) {
        must("sock_accept", ACCEPT(fd, &connection));
        echo(connection);
    }
}

static void ask(int32_t fd, struct address *address, int port, char *text) {
    char bytes[4096];
    must("sock_connect", sock_connect(fd, address, port));
    send_all(fd, text, strlen(text));
    must("sock_shutdown", sock_shutdown(fd, WRITE_END));
    for (uint32_t count; (count = receive(fd, bytes, sizeof bytes)) > 0;)
        fwrite(bytes, 1, count, stdout);
    puts("");
}

int main(int argc, char **argv) {
    int32_t fd;
    struct address address = parse(argc > 2 ? argv[2] : "");
    int port = argc > 3 ? atoi(argv[3]) : 0;
    must("sock_open", sock_open(INET4, STREAM, &fd));
    if (strcmp(argv[1], "serve") == 0)
        serve(fd, &address, port, argc > 4 ? atoi(argv[4]) : 1);
    else
        ask(fd, &address, port, argc > 4 ? argv[4] : "");
    must("fd_close", fd_close(fd));
    return 0;
}
