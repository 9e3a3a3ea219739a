/* SPDX-License-Identifier: MIT */
#include "vtest.h"

#include <string.h>

/* For whoever asks only whether all is well. */
#ifdef VTEST_FIRST_FAILURE
#define ENDS_AT_FAILURE 1
#else
#define ENDS_AT_FAILURE 0
#endif

static struct vtest *first, **last = &first;

void vtest_register(struct vtest *test)
{
    *last = test;
    last = &test->next;
}

void vtest_fail(struct vtest *test, const char *file, int line, const char *what)
{
    test->failed = 1;
    printf("# %s:%d: in %s: %s\n", file, line, test->name, what);
}

void vtest_fail_eq(struct vtest *test, const char *file, int line, const char *what, long long got, long long want)
{
    vtest_fail(test, file, line, what);
    printf("#   got %lld, want %lld\n", got, want);
}

/* With arguments: only the tests whose names contain one of them. */
static int wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strstr(name, argv[i]))
            return 1;
    return argc <= 1;
}

int main(int argc, char **argv)
{
    int number = 0, failures = 0;

    for (struct vtest *test = first; test; test = test->next) {
        if (!wanted(test->name, argc, argv))
            continue;
        test->run(test);
        failures += test->failed;
        printf("%sok %d - %s\n", test->failed ? "not " : "", ++number, test->name);
        if (test->failed && ENDS_AT_FAILURE)
            break;
    }
    printf("1..%d\n", number);
    if (number == 0)
        printf("# no test matches: that is a failure\n");
    return failures > 0 || number == 0;
}
