/* SPDX-License-Identifier: MIT */
/* Planted: a header that every compiler has, but that is none of those we promise to be content with. */
#include <stdarg.h>

int nothing(void);

int nothing(void)
{
    return 0;
}
