/* SPDX-License-Identifier: MIT */
/* Planted: C, but not C++. */
struct nothing {
    int new;
};
