/* SPDX-License-Identifier: MIT */
/*
 * Messages to whoever runs the daemon, on standard error: one line each, which begins with whose fault it is. A peer
 * that makes mistakes in a loop gets a few lines a second, and then one that counts the others.
 */
#ifndef COMPLAIN_H
#define COMPLAIN_H

__attribute__((format(printf, 2, 3))) void complain(const char *whose, const char *format, ...);

#endif
