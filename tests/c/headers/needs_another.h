/* SPDX-License-Identifier: MIT */
/* Planted: cannot stand alone. */
uint32_t nothing(void);
