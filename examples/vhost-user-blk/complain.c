/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "complain.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

enum {
    LINES_A_SECOND = 10
};

void complain(const char *whose, const char *format, ...)
{
    static time_t second;
    static unsigned long lines;
    struct timespec now;
    va_list arguments;

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec != second) {
        if (lines > LINES_A_SECOND)
            fprintf(stderr, "vhost-user-blk: %lu more complaints\n", lines - LINES_A_SECOND);
        second = now.tv_sec;
        lines = 0;
    }
    if (++lines > LINES_A_SECOND)
        return;
    fprintf(stderr, "vhost-user-blk: %s: ", whose);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}
