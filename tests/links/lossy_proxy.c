/* The poor network of tests/support/lossy.h as a program, for scripts.
 *
 * Usage: lossy_proxy --to PORT [--listen PORT] [--seed N | --cut-up K | --cut-down K | --delay MS |
 *                    --piece BYTES | --refuse | --silent | --reset]...
 * Prints "ready PORT" and works until it is killed or its standard input ends; then it prints what
 * passed: connections, cut ones, bytes up and down. With --seed the weather changes with each
 * connection; else all connections have the rule of the other options. */
#include "tests/support/lossy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct settings {
    uint16_t to;
    uint16_t listen;
    uint64_t seed; /* 0: the rule. */
    struct lossy_rule rule;
};

static struct lossy_rule draw(void *context, uint64_t number)
{
    const struct settings *settings = context;
    return settings->seed != 0 ? lossy_weather(settings->seed, number) : settings->rule;
}

/* A switch; false: it is none. */
static bool take_switch(struct settings *settings, const char *name)
{
    struct lossy_rule *rule = &settings->rule;
    bool *which = strcmp(name, "--refuse") == 0   ? &rule->refuse
                  : strcmp(name, "--silent") == 0 ? &rule->silent
                  : strcmp(name, "--reset") == 0  ? &rule->reset
                                                  : NULL;
    if (which != NULL) {
        *which = true;
    }
    return which != NULL;
}

static bool take_number(struct settings *settings, const char *name, const char *text)
{
    char *end = NULL;
    long long value = text != NULL ? strtoll(text, &end, 10) : -1;
    if (value < 0 || end == text || *end != '\0') {
        return false;
    }
    if (strcmp(name, "--to") == 0) {
        settings->to = (uint16_t)value;
    } else if (strcmp(name, "--listen") == 0) {
        settings->listen = (uint16_t)value;
    } else if (strcmp(name, "--seed") == 0) {
        settings->seed = (uint64_t)value;
    } else if (strcmp(name, "--cut-up") == 0) {
        settings->rule.cut[LOSSY_UP] = value;
    } else if (strcmp(name, "--cut-down") == 0) {
        settings->rule.cut[LOSSY_DOWN] = value;
    } else if (strcmp(name, "--delay") == 0) {
        settings->rule.delay_ms = (uint32_t)value;
    } else if (strcmp(name, "--piece") == 0) {
        settings->rule.piece = (uint32_t)value;
    } else {
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct settings settings = {.rule = lossy_fine()};
    char byte;
    for (int i = 1; i < argc; i++) {
        if (take_switch(&settings, argv[i])) {
            continue;
        }
        if (!take_number(&settings, argv[i], i + 1 < argc ? argv[i + 1] : NULL)) {
            (void)fprintf(stderr, "lossy_proxy: what is %s?\n", argv[i]);
            return 2;
        }
        i++;
    }
    struct lossy *lossy = lossy_start(settings.listen, settings.to, draw, &settings);
    if (lossy == NULL) {
        (void)fprintf(stderr, "lossy_proxy: cannot listen\n");
        return 1;
    }
    (void)printf("ready %u\n", lossy_port(lossy));
    (void)fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    struct lossy_counts counts = lossy_take_counts(lossy);
    lossy_stop(lossy);
    (void)printf("connections %llu cut %llu up %llu down %llu\n",
                 (unsigned long long)counts.connections, (unsigned long long)counts.cut,
                 (unsigned long long)counts.bytes[LOSSY_UP],
                 (unsigned long long)counts.bytes[LOSSY_DOWN]);
    return 0;
}
