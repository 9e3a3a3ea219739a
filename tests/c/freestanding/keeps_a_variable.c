/* SPDX-License-Identifier: MIT */
/* Planted: remembers something between two calls. */
unsigned count_calls(void);

unsigned count_calls(void)
{
    static unsigned calls;

    return ++calls;
}
