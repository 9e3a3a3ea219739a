/* SPDX-License-Identifier: MIT */
/*
 * Which buffers are where, and so what each side has to answer. While all are honest that is known of every buffer;
 * after a scribble only which ones the driver has given away, and which handles live.
 */
#ifndef FUZZ_RING_MODEL_H
#define FUZZ_RING_MODEL_H

#include "ring_memory.h"

struct buffer {
    bool live;      /* the driver has been given it and has not handed it back */
    bool published;
    struct vring_segment segments[ENTRIES];
    uint16_t n_readable, n_writable;
    uint16_t descriptors;
    uint32_t writable; /* bytes */
    uint32_t used_len;
};

/* A buffer that the device holds. */
struct held {
    vring_handle handle;
    uint32_t writable;
    unsigned token; /* while all are honest */
    bool finished;  /* IN_ORDER: used, but not yet its turn */
    bool nameless;  /* taken in a run before its last: there is no handle for it, it is used through a later one */
    bool waiting;   /* after a restart: to be handed out again, the oldest first, before anything new */
    bool again;     /* ... and has been */
};

struct line {
    unsigned of[4 * TOKENS];
    unsigned n;
};

extern struct world {
    struct vring_driver driver;
    struct vring_device device;
    struct vring_driver_config driver_config;
    struct vring_device_config device_config;
    struct vring_region regions[4];
    struct vring_slot *slots[2]; /* a successor needs its own, in case it cannot be set up */
    struct vring_head *heads[2];
    bool in_order;
    int driver_broke, device_broke;
    bool driver_sleeps, device_sleeps;
    struct buffer buffers[TOKENS];
    struct held held[TOKENS];
    unsigned n_held;
    bool restored; /* the device was: which buffer it took last is then not ours to know */
    struct line staged, avail, done, used;
    struct line added;     /* all that live, the oldest first */
    vring_handle dead[16]; /* of those that died some of the last */
    unsigned n_dead;
} world;

/* A line of tokens: the first is the oldest. */
void line_put(struct line *line, unsigned token);
void line_put_first(struct line *line, unsigned token);
unsigned line_get_at(struct line *line, unsigned i);
unsigned line_get(struct line *line);
/* Nobody asks where tokens are once somebody has scribbled: the line would only grow, and is emptied. */
void line_move_all(struct line *from, struct line *to);

/* What every answer of a side has in common is judged; returns the answer. */
int driver_answered(int answer);
int device_answered(int answer);

/* A side has published and answered that: what it had staged is visible, and a peer that sleeps must be told of it. */
void note_published(int answer, struct line *staged, struct line *visible, bool *peer_sleeps);

/*
 * A successor was given a state, as it was saved or damaged, and answered that: does it go on? It must refuse what was
 * damaged, and may refuse what it finds where somebody has scribbled.
 */
bool goes_on(int answer, bool damaged);

/* What the driver has to answer to this buffer; and that it has taken it. */
int model_adding(const struct buffer *buffer, bool indirect);
void note_added(unsigned token, const struct buffer *buffer, uint16_t descriptors);

/* Does the device have a handle of held[i] that lives? */
bool is_ours(unsigned i);
unsigned held_waiting(void);
struct held *held_oldest_waiting(void);

/* The held buffer of that number among those that may be used; n_held if there are not so many. */
unsigned held_number(unsigned number);

/* held[i] has been used. With IN_ORDER all whose turn it is are staged, without it this one. */
void note_used(unsigned i, uint32_t len);
void note_dead(vring_handle handle);
void forget_held(unsigned i);

#endif
