/* SPDX-License-Identifier: MIT */
/* Planted: a name that Linux' header has given away. */
struct vring {
    int num;
};
