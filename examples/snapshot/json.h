/* SPDX-License-Identifier: MIT */
/*
 * One JSON object per line, a character at a time: for a console. Freestanding, no memory but this struct.
 *
 * json_object(j, NULL), members, json_end(j) and so on. A name is null inside an array. The line ends with the
 * outermost object.
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stdint.h>

enum { JSON_DEPTH = 8 };

/* Zero all but put and context. */
struct json {
    void (*put)(void *context, char c); /* where it goes; '\n' comes at the end of a line and nowhere else */
    void *context;
    char closer[JSON_DEPTH]; /* of each object and array that is open */
    unsigned depth;
    bool more; /* something stands at this level already */
};

void json_object(struct json *j, const char *name);
void json_array(struct json *j, const char *name);
void json_end(struct json *j);
void json_number(struct json *j, const char *name, uint64_t value);
void json_bool(struct json *j, const char *name, bool value);

/* Control characters become spaces; everything else must be UTF-8. */
void json_text(struct json *j, const char *name, const char *value);

/* Give up the line that is open, if one is: what follows is a line of its own. */
void json_abandon(struct json *j);

#endif
