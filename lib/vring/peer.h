/* SPDX-License-Identifier: MIT */
/*
 * The only spelling of distrust. A value that the peer can choose is called peer_... until it has been judged, and
 * every judgement reads
 *
 *     if (PEER_BAD(peer_id >= size))
 *         return vring_poison(&vq->live, VRING_E_PEER_ID, where, peer_id);
 *
 * so that searching for PEER_BAD lists the checks.
 */
#ifndef VRING_PEER_H
#define VRING_PEER_H

#include <vring/types.h>

#include "features.h"
#include "port.h"

#ifdef VRING_ASSUME_HONEST_PEER
/* For measuring what the checks cost. Never for use. */
#define PEER_BAD(condition) ((void)(condition), 0)
#else
#define PEER_BAD(condition) PORT_UNLIKELY(condition)
#endif

/* Keep what was seen. */
static inline void peer_note(struct vring_fault *fault, int error, uint32_t position, uint32_t value)
{
    fault->error = error;
    fault->position = position;
    fault->value = value;
}

/*
 * How a queue begins: the word that every call asks, what straight.h makes of it, and the evidence. So the address of the first
 * says where the others are.
 */
struct peer_health {
    int live;
    uint8_t straight;
    struct vring_fault fault;
};

#define PEER_HEALTH_COMES_FIRST(queue)                                     \
    (offsetof(queue, live) == offsetof(struct peer_health, live) &&         \
     offsetof(queue, straight) == offsetof(struct peer_health, straight) && \
     offsetof(queue, fault) == offsetof(struct peer_health, fault))

/*
 * Break the queue whose live this is, as vring_poison() does. The error comes without its sign: Thumb has short instructions
 * for small numbers. Four words of arguments: they fit in registers.
 */
PORT_COLD void vring_break(int *live, unsigned error, uint32_t position, uint32_t value);

/*
 * Break the queue whose live this is for good: keep the evidence, make every later call answer error. Returns error, inline, so
 * that the compiler sees that a verb ends here, and keeps nothing for what would come after.
 */
static inline int vring_poison(int *live, int error, uint32_t position, uint32_t value)
{
    vring_break(live, (unsigned)-error, position, value);

    int answer = PORT_FAST ? error : *live;

    PORT_NEVER(answer >= 0);
    return answer;
}

/* What the live of a queue says, if it is not 0 or what broke it. */
enum { LIVE = 1, SUSPENDED = 2 };

/* What a queue that is not live answers: VRING_E_STATE if it is not set up or suspended, otherwise what broke it. */
static inline int peer_verdict(int live)
{
    return live < 0 ? live : VRING_E_STATE;
}

/* What broke the queue whose live this is; 0 if nothing did. Its fault may also tell of what was let pass. */
static inline int peer_broken_by(int live)
{
    return live < 0 ? live : 0;
}

/* LIVE or SUSPENDED, as the live of a queue says; otherwise what it answers, VRING_E_NULL if there is none. */
int vring_state(const int *live);

/* The live of a queue; null if an argument is missing that the verb needs: that is as good as no queue. */
static inline const int *live_unless(bool missing, const int *live)
{
    if (missing)
        live = NULL;
    return live;
}

/* As vring_state(), but VRING_E_STATE in a state above this one: above SUSPENDED there is none. */
static inline int peer_state(const int *live, int most)
{
    int state = vring_state(live);

    return FEATURE_BUILT(VRING_F_SUSPEND) && state > most ? VRING_E_STATE : state;
}

/*
 * Why a verb cannot go on with the queue whose live this is, null if there is none; 0 if it can, in this state at most: LIVE, or
 * SUSPENDED, too.
 */
static inline int peer_refusal(const int *live, int most)
{
    if (PORT_FAST) {
        if (!live)
            return VRING_E_NULL;
        return (most == LIVE ? *live == LIVE : *live > 0) ? 0 : peer_verdict(*live);
    }

    int state = peer_state(live, most);

    return state < 0 ? state : 0;
}

#endif
