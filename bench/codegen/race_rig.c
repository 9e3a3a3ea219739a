/* SPDX-License-Identifier: MIT */
/*
 * For a race detector: one thread calls a function of places.c or gallery.c again and again, another writes all that
 * they look at, by the same accessors. Prints each function's name and how its process ended, which is 66 where a race
 * was seen: all in one process, which ends with the first race; if there was one, each in a process of its own.
 *
 * FUNCTIONS(X) and SHARED(X) are X(name) for each function and each array of their rigs.
 */
#include "gallery_rig.c"
#include "places_rig.c"

#include "access.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * A detector keeps some of what it saw, and now and then forgets what mattered, or the threads did not meet: several
 * threads, one after the other, and several processes where other functions race and one does not.
 */
enum { THREADS = 8, ROUNDS = 10, PROCESSES = 5 };

volatile uint64_t rig_result;

/* What stands there is written once more: a copy, or a compiler would see that nothing changes. */
static void write_again(void *shared, const void *copy, size_t size)
{
    uint16_t *words = (uint16_t *)shared;
    const uint16_t *copied = (const uint16_t *)copy;

    for (size_t i = 0; i < size / sizeof *words; i++)
        access_store16(&words[i], copied[i]);
}

#define COPY(array) static uint16_t copy_of_##array[sizeof array / sizeof(uint16_t)];
#define TAKE_COPY(array) memcpy(copy_of_##array, array, sizeof array);
#define WRITE_AGAIN(array) write_again(array, copy_of_##array, sizeof array);
#define FUNCTION(name) {#name, prepare_##name, run_##name},

SHARED(COPY)

static const struct function {
    const char *name;
    void (*prepare)(void);
    void (*run)(void);
} functions[] = {FUNCTIONS(FUNCTION)};

static void *other_side(void *unused)
{
    for (int i = 0; i < ROUNDS; i++) {
        SHARED(WRITE_AGAIN)
    }
    return unused;
}

static int race(const struct function *function)
{
    pthread_t other;

    function->prepare();
    SHARED(TAKE_COPY)
    for (int thread = 0; thread < THREADS; thread++) {
        if (pthread_create(&other, NULL, other_side, NULL))
            return 3;
        for (int i = 0; i < ROUNDS; i++)
            function->run();
        pthread_join(other, NULL);
    }
    return 0;
}

/* How a process ends that calls some functions, one after the other. */
static int outcome(size_t first, size_t count)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        int failed = 0;

        for (size_t i = first; i < first + count && !failed; i++)
            failed = race(&functions[i]);
        exit(failed);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        exit(3);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(void)
{
    size_t count = sizeof functions / sizeof *functions;
    bool quiet = outcome(0, count) == 0;

    for (size_t i = 0; i < count; i++) {
        int end = 0;

        for (int process = 0; process < PROCESSES && !quiet && end == 0; process++)
            end = outcome(i, 1);
        printf("%s %d\n", functions[i].name, end);
        fflush(stdout);
    }
    return 0;
}
