/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <semihost.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUFFER = 4096, DEPTH = 8 };

static char buffer[BUFFER + 1]; /* semihosting takes a string: room for its end */
static size_t filled;

static char closer[DEPTH]; /* of each object and array that is open */
static unsigned depth;
static bool first = true;  /* nothing written yet at this level */

static void flush(void)
{
    buffer[filled] = '\0';
    sys_semihost_write0(buffer);
    filled = 0;
}

static void put(char c)
{
    if (filled == BUFFER)
        flush();
    buffer[filled++] = c;
}

static void put_text(const char *text)
{
    put('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            put('\\');
        put((unsigned char)*text < ' ' ? ' ' : *text);
    }
    put('"');
}

static void put_name(const char *name)
{
    if (!first)
        put(',');
    first = false;
    if (name) {
        put_text(name);
        put(':');
    }
}

static void open(const char *name, char opener, char end)
{
    put_name(name);
    put(opener);
    closer[depth++] = end;
    first = true;
}

void json_object(const char *name)
{
    open(name, '{', '}');
}

void json_array(const char *name)
{
    open(name, '[', ']');
}

void json_end(void)
{
    put(closer[--depth]);
    first = false;
    if (depth == 0) {
        put('\n');
        flush();
        first = true;
    }
}

void json_number(const char *name, uint64_t value)
{
    char digits[20];
    unsigned n = 0;

    put_name(name);
    do
        digits[n++] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    while (n > 0)
        put(digits[--n]);
}

void json_bool(const char *name, bool value)
{
    put_name(name);
    for (const char *word = value ? "true" : "false"; *word; word++)
        put(*word);
}

void json_text(const char *name, const char *value)
{
    put_name(name);
    put_text(value);
}

void fail(enum outcome outcome, const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (depth > 0)
        put('\n'); /* whatever line was being written is lost; this one must be readable */
    depth = 0;
    first = true;
    json_object(NULL);
    json_object("failure");
    json_number("code", outcome);
    json_text("text", text);
    json_end();
    json_end();
    _Exit(outcome);
}
