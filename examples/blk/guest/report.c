/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <semihost.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUFFER = 4096 };

static char buffer[BUFFER + 1]; /* semihosting takes a string: room for its end */
static size_t filled;

static void put(void *context, char c)
{
    (void)context;
    buffer[filled++] = c;
    if (filled < BUFFER && c != '\n')
        return;
    buffer[filled] = '\0';
    sys_semihost_write0(buffer);
    filled = 0;
}

struct json report = {.put = put};

void fail(enum outcome outcome, const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_abandon(&report); /* whatever line was being written is lost; this one must be readable */
    json_object(&report, NULL);
    json_object(&report, "failure");
    json_number(&report, "code", outcome);
    json_text(&report, "text", text);
    json_end(&report);
    json_end(&report);
    _Exit(outcome);
}
