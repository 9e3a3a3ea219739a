/* SPDX-License-Identifier: MIT */
/* Calls the functions of gallery.c under emulation. */
#include "gallery.h"
#include "rig.h"

#include <stddef.h>

_Alignas(16) uint32_t shared_word[4];

static uint32_t *volatile word = shared_word;
static uint16_t *volatile half = (uint16_t *)(void *)shared_word;
static const uint32_t table[8] = {2, 3, 5, 7, 11, 13, 17, 19};

static void fill(uint32_t first)
{
    shared_word[0] = first;
    shared_word[1] = 6;
    shared_word[2] = 0;
    shared_word[3] = 0;
}

PREPARE(gallery_switch) { fill(3); }
RUN(gallery_switch) { rig_result = gallery_switch(word, 9); }

PREPARE(gallery_check_then_use) { fill(3); }
RUN(gallery_check_then_use) { rig_result = gallery_check_then_use(word, table, 8); }

PREPARE(gallery_poll_loop) { fill(0); }
RUN(gallery_poll_loop) { rig_result = gallery_poll_loop(half, 0); }

PREPARE(gallery_spill) { fill(3); }
RUN(gallery_spill) { rig_result = gallery_spill(word, table, 8); }

PREPARE(gallery_neighbours) { fill(3); }
RUN(gallery_neighbours) { rig_result = gallery_neighbours(word); }

PREPARE(gallery_flag) { fill(3); }
RUN(gallery_flag) { rig_result = gallery_flag(half); }

PREPARE(gallery_upper_byte) { fill(3); }
RUN(gallery_upper_byte) { rig_result = gallery_upper_byte(half); }

PREPARE(gallery_store_neighbours) { fill(0); }
RUN(gallery_store_neighbours) { gallery_store_neighbours(half); }

PREPARE(gallery_store_twice) { fill(0); }
RUN(gallery_store_twice) { gallery_store_twice(word); }

PREPARE(gallery_store_constant) { fill(0); }
RUN(gallery_store_constant) { gallery_store_constant((uint64_t *)(void *)word); }
