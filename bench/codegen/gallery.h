/* SPDX-License-Identifier: MIT */
/* The functions of gallery.c, for those who call them. */
#ifndef GALLERY_H
#define GALLERY_H

#include <stdbool.h>
#include <stdint.h>

uint32_t gallery_switch(const uint32_t *p, uint32_t a);
uint32_t gallery_check_then_use(const uint32_t *p, const uint32_t *table, uint32_t size);
unsigned gallery_poll_loop(const uint16_t *p, uint16_t old);
uint32_t gallery_spill(const uint32_t *p, const uint32_t *v, uint32_t n);
uint32_t gallery_neighbours(const uint32_t *p);
bool gallery_flag(const uint16_t *p);
unsigned gallery_upper_byte(const uint16_t *p);
void gallery_store_neighbours(uint16_t *p);
void gallery_store_twice(uint32_t *p);
void gallery_store_constant(uint64_t *p);

#endif
