// Shows: how fast modules compute. Also built natively, for comparison: the output is the same.
//   compute [ROUNDS]   one round: SHA-256 of 64 KiB, a product of 48x48 matrices, a list sorted and walked
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES 65536
#define SIDE 48
#define NODES 2048

static uint32_t seed;

static uint32_t next_random(void) { return seed = seed * 1664525u + 1013904223u; }

// FIPS 180-4. The constants are the first 32 bits of the fractional parts of cube and square roots of primes.
static const uint32_t cube_roots[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
static const uint32_t square_roots[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void schedule(uint32_t w[64], const uint8_t *block) {
    for (int i = 0; i < 16; i++, block += 4)
        w[i] = (uint32_t)block[0] << 24 | (uint32_t)block[1] << 16 | (uint32_t)block[2] << 8 | block[3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t b = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + a + w[i - 7] + b;
    }
}

static void compress(uint32_t hash[8], const uint8_t *block) {
    uint32_t w[64], s[8];
    schedule(w, block);
    memcpy(s, hash, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t e = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25);
        uint32_t a = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22);
        uint32_t first = s[7] + e + ((s[4] & s[5]) ^ (~s[4] & s[6])) + cube_roots[i] + w[i];
        uint32_t second = a + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += first;
        s[0] = first + second;
    }
    for (int i = 0; i < 8; i++)
        hash[i] += s[i];
}

// SIZE is a multiple of 64, so the padding is a block of its own.
static void sha256(uint32_t hash[8], const uint8_t *bytes, size_t size) {
    uint8_t padding[64] = {0x80};
    memcpy(hash, square_roots, sizeof square_roots);
    for (size_t at = 0; at < size; at += 64)
        compress(hash, bytes + at);
    for (int i = 0; i < 8; i++)
        padding[56 + i] = (uint8_t)((uint64_t)size * 8 >> (56 - 8 * i));
    compress(hash, padding);
}

static double product(void) {
    static double a[SIDE][SIDE], b[SIDE][SIDE];
    double sum = 0;
    for (int i = 0; i < SIDE * SIDE; i++) {
        a[i / SIDE][i % SIDE] = next_random() >> 16;
        b[i / SIDE][i % SIDE] = next_random() >> 16;
    }
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++)
            for (int k = 0; k < SIDE; k++)
                sum += a[i][k] * b[k][j];
    return sum;
}

struct node {
    struct node *next;
    uint32_t value;
};

static struct node *merge(struct node *a, struct node *b) {
    struct node head, *last = &head;
    while (a && b) {
        struct node **smaller = a->value <= b->value ? &a : &b;
        last = last->next = *smaller;
        *smaller = last->next;
    }
    last->next = a ? a : b;
    return head.next;
}

static struct node *sort(struct node *list) {
    struct node *half = list, *end = list ? list->next : NULL;
    if (!end)
        return list;
    for (; end && end->next; end = end->next->next)
        half = half->next;
    struct node *rest = half->next;
    half->next = NULL;
    return merge(sort(list), sort(rest));
}

static uint32_t walk(void) {
    static struct node nodes[NODES];
    uint32_t sum = 0;
    for (int i = 0; i < NODES; i++)
        nodes[i] = (struct node){i + 1 < NODES ? &nodes[i + 1] : NULL, next_random()};
    for (struct node *node = sort(nodes); node; node = node->next)
        sum = sum * 31 + node->value;
    return sum;
}

int main(int argc, char **argv) {
    static uint8_t bytes[BYTES];
    uint32_t hash[8] = {0}, sum = 0;
    double products = 0;
    int rounds = argc > 1 ? atoi(argv[1]) : 10;
    for (int round = 0; round < rounds; round++) {
        seed = (uint32_t)round + hash[0];
        for (int i = 0; i < BYTES; i++)
            bytes[i] = (uint8_t)(next_random() >> 24);
        sha256(hash, bytes, BYTES);
        products += product();
        sum ^= walk();
    }
    for (int i = 0; i < 8; i++)
        printf("%08x", hash[i]);
    printf(" %.0f %08x\n", products, sum);
    return 0;
}
