/* A poor network for tests: a TCP proxy on loopback that loses what it is told to lose.
 *
 * Each connection gets a rule when it is accepted, from a function of the caller's: cut after byte
 * k of either direction, refused, swallowed in silence, delayed or trickled. What has passed is
 * counted. One thread of its own; the rule's function is called on it. */
#ifndef DS_TESTS_SUPPORT_LOSSY_H
#define DS_TESTS_SUPPORT_LOSSY_H

#include <stdbool.h>
#include <stdint.h>

#define LOSSY_LINKS_MAX 64 /* Connections at a time; further ones wait. */
#define LOSSY_NEVER (-1)

/* Directions: up is what the client sends. */
enum { LOSSY_UP, LOSSY_DOWN, LOSSY_DIRECTIONS };

struct lossy_rule {
    bool refuse;                   /* Closed as soon as it is accepted. */
    bool silent;                   /* Accepted, and nothing passes until the client gives up. */
    bool reset;                    /* A cut is a reset, not an orderly end. */
    int64_t cut[LOSSY_DIRECTIONS]; /* Both sides are cut when so many bytes passed; LOSSY_NEVER. */
    uint32_t delay_ms;             /* Each piece waits so long. */
    uint32_t piece;                /* Bytes passed at a time; 0: all that is there. */
};
/* A rule that loses nothing. */
struct lossy_rule lossy_fine(void);

/* The weather of a walk, drawn from a seed: connections between no and poor signal. The rule is a
 * function of (seed, number) alone. */
struct lossy_rule lossy_weather(uint64_t seed, uint64_t number);

/* The rule of connection number, counted from 0. */
typedef struct lossy_rule lossy_draw(void *context, uint64_t number);

struct lossy_counts {
    uint64_t connections;
    uint64_t cut; /* By a cut, refused or swallowed. */
    uint64_t bytes[LOSSY_DIRECTIONS];
};

struct lossy;
/* Listen on 127.0.0.1:port (0: any free one) for 127.0.0.1:upstream. NULL: could not. */
struct lossy *lossy_start(uint16_t port, uint16_t upstream, lossy_draw *draw, void *context);
uint16_t lossy_port(const struct lossy *lossy);
/* What passed since the start or the last call. */
struct lossy_counts lossy_take_counts(struct lossy *lossy);
void lossy_stop(struct lossy *lossy);

#endif
