/* SPDX-License-Identifier: MIT */
#include "json.h"

static void put(struct json *j, char c)
{
    j->put(j->context, c);
}

static void put_text(struct json *j, const char *text)
{
    put(j, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            put(j, '\\');
        put(j, (unsigned char)*text < ' ' ? ' ' : *text);
    }
    put(j, '"');
}

static void put_name(struct json *j, const char *name)
{
    if (j->more)
        put(j, ',');
    j->more = true;
    if (name) {
        put_text(j, name);
        put(j, ':');
    }
}

static void begin(struct json *j, const char *name, char opener, char closer)
{
    put_name(j, name);
    put(j, opener);
    j->closer[j->depth++] = closer;
    j->more = false;
}

void json_object(struct json *j, const char *name)
{
    begin(j, name, '{', '}');
}

void json_array(struct json *j, const char *name)
{
    begin(j, name, '[', ']');
}

void json_end(struct json *j)
{
    put(j, j->closer[--j->depth]);
    j->more = j->depth > 0;
    if (j->depth == 0)
        put(j, '\n');
}

void json_number(struct json *j, const char *name, uint64_t value)
{
    char digits[20];
    unsigned n = 0;

    put_name(j, name);
    do
        digits[n++] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    while (n > 0)
        put(j, digits[--n]);
}

void json_bool(struct json *j, const char *name, bool value)
{
    put_name(j, name);
    for (const char *word = value ? "true" : "false"; *word; word++)
        put(j, *word);
}

void json_text(struct json *j, const char *name, const char *value)
{
    put_name(j, name);
    put_text(j, value);
}

void json_abandon(struct json *j)
{
    if (j->depth > 0)
        put(j, '\n');
    j->depth = 0;
    j->more = false;
}
