/* SPDX-License-Identifier: MIT */
/* One public header and nothing before it, twice. */
#include HEADER

#include HEADER
