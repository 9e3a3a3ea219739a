# SPDX-License-Identifier: MIT
"""Every check in libvring is there for a reason that some test knows.

The sources are copied and broken on purpose, one place at a time: each ``PEER_BAD`` judges nothing, each barrier is weakened or
dropped, a load is made twice, a refusal is left out. The C tests must then fail. A mutant that survives is a check nobody would
miss, or a test nobody wrote.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mutants import ROOT, TESTS, Mutant, Program, survivors

SOURCES = ROOT / "lib" / "vring"
COMPILE = ["gcc", "-std=c11", "-w", "-D_GNU_SOURCE", f"-I{ROOT / 'include'}", f"-I{TESTS}"]
# Most mutants fall without sanitizers, and these take most of the time: they come second.
STAGES = {"plain": [], "sanitized": ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]}

# Which tests run on which accessors; the one that takes longest comes last, because most mutants have fallen by then.
PROGRAMS = {
    "ACQREL": ("ring_test.c", "hostile_driver_test.c", "hostile_device_test.c", "hostile_packed_driver_test.c",
               "hostile_packed_device_test.c", "refusals_test.c", "layout_test.c", "in_order_test.c", "resume_test.c",
               "successor_test.c", "legacy_test.c", "life_test.c", "regions_test.c", "batch_test.c", "run_test.c", "round_test.c",
               "null_test.c", "inflight_test.c", "laps_test.c"),
    "HOOK": ("trace_test.c",),
}


def judgements(small: bool = False) -> list[Mutant]:
    """Each PEER_BAD of the library, judging nothing: those that only a library built for size has, or all others. peer.h only
    explains."""
    return [Mutant(path.name, "(PEER_BAD(", "(0 && (", which)
            for path in sorted(SOURCES.glob("*.[ch]")) if path.name != "peer.h" and (path.name == "alike.h") == small
            for which in range(len(re.findall(r"\(PEER_BAD\(", path.read_text())))]


BREAKS = [
    # barriers and orders
    Mutant("split_ring.h", "access_release16(split_avail_idx(r), split_wire16(idx), split_platform(r))",
           "access_store16(split_avail_idx(r), split_wire16(idx))"),
    Mutant("split_ring.h", "access_release16(split_used_idx(r), split_wire16(idx), split_platform(r))",
           "access_store16(split_used_idx(r), split_wire16(idx))"),
    Mutant("split_ring.h", "access_acquire16(split_avail_idx(r), split_platform(r))", "access_load16(split_avail_idx(r))"),
    Mutant("split_ring.h", "access_acquire16(split_used_idx(r), split_platform(r))", "access_load16(split_used_idx(r))"),
    Mutant("split_driver.c", "int error = vq->batch == 0 ? split_driver_open_batch(vq, &taking) : 0;\n\n    if (error)\n        return error;\n    split_driver_", "int error = split_driver_open_batch(vq, &taking);\n\n    if (error)\n        return error;\n    split_driver_"),
    Mutant("split_driver.c", "if (--vq->batch == 0)\n        used->len", "if (--vq->batch == 0 || true)\n        used->len"),
    Mutant("split_driver.c", "if (--vq->batch == 0)\n        used->len = vq->batch_len;", "--vq->batch;"),
    Mutant("packed_driver.c", "int error = vq->batch == 0 ? packed_driver_open_batch(vq) : 0;\n\n    if (error)\n        return error;\n    packed_driver_", "int error = packed_driver_open_batch(vq);\n\n    if (error)\n        return error;\n    packed_driver_"),
    Mutant("packed_driver.c", "if (--vq->batch == 0)\n        used->len", "if (--vq->batch == 0 || true)\n        used->len"),
    Mutant("packed_driver.c", "if (--vq->batch == 0)\n        used->len = vq->batch_len;", "--vq->batch;"),
    Mutant("split_driver.c", "split_fence(&vq->ring); /* C */", ""),
    Mutant("split_driver.c", "split_fence(&vq->ring); /* D */", ""),
    Mutant("split_device.c", "split_fence(&vq->ring); /* D */", ""),
    Mutant("split_device.c", "split_fence(&vq->ring); /* C */", ""),
    Mutant("packed_ring.h", "access_release16(&packed_desc(r, offset)->flags.raw, packed_wire16(flags), packed_platform(r))",
           "access_store16(&packed_desc(r, offset)->flags.raw, packed_wire16(flags))"),
    Mutant("packed_ring.h", "access_acquire16(&packed_desc(r, offset)->flags.raw, packed_platform(r))",
           "access_load16(&packed_desc(r, offset)->flags.raw)"),
    Mutant("packed_driver.c", "packed_fence(&vq->ring); /* C */", ""),
    Mutant("packed_driver.c", "packed_fence(&vq->ring); /* D */", ""),
    Mutant("packed_device.c", "packed_fence(&vq->ring); /* D */", ""),
    Mutant("packed_device.c", "packed_fence(&vq->ring); /* C */", ""),
    # the packed ring's laps and batches
    Mutant("packed_ring.h", "bool past = PORT_UNLIKELY(packed_entry(at) >= r->size);",
           "bool past = packed_entry(at) >= r->size && n < r->size;"),
    Mutant("packed_ring.h", "bool past = packed_entry(at) < n;", "bool past = false;"),
    Mutant("packed_ring.h", "(packed_lap(to) == packed_lap(from) ? 0u : r->size)", "(packed_entry(to) > packed_entry(from) ? 0u : r->size)"),
    Mutant("packed_give.c", "packed_driver_clear(&vq->ring, vq->next_avail, count);", ""),
    Mutant("packed_adding.h", "packed_driver_clear(r, adding->at, packed_distance(r, adding->at, at));", ""),
    Mutant("packed_use.h", "    if (!PORT_FAST || kept) {", "    if (0) {"),
    Mutant("packed_use.h", "        if (kept)\n", "        if (0)\n"),
    Mutant("packed_use.h", "packed_used_flags(at) | VRING_DESC_WRITE :", "packed_used_flags(at) :"),
    Mutant("packed_return.h", "if (!(flags & VRING_DESC_WRITE) && !vq->len_without_write)", "if (0)"),
    Mutant("event.h", "offset = (uint16_t)(offset - size);", ""),
    # batches of IN_ORDER
    Mutant("split_use.h", "        if (!in_full)\n            split_device_end_batch(vq);\n", ""),
    Mutant("packed_use.h", "        if (!in_full)\n            packed_device_end_batch(vq);\n", ""),
    Mutant("split_use.h", "        if (!heads_held_back(vq->heads, head))\n            return;\n", ""),
    Mutant("packed_use.h", "        if (!heads_held_back(vq->heads, id))\n            return;\n", ""),
    Mutant("packed_use.h", "if (vq->in_flight == resume_waiting(vq->waiting))", "if (0)"),
    Mutant("split_use.h", "if ((uint16_t)(vq->next_avail - vq->next_used) == resume_waiting(vq->waiting))", "if (0)"),
    Mutant("split_resume.c", "vq->free_count > 0 || feature_on(vq->features, VRING_F_IN_ORDER) ?", "vq->free_count > 0 ?"),
    Mutant("packed_use.h", "heads[next].handle != used[added].handle || ", ""),
    Mutant("packed_use.h", " || !heads_used_in_full(heads, next, used[added].len))", ")"),
    Mutant("packed_driver.c", "used[taken - 1].len = vq->batch_len;", ";"),
    Mutant("packed_give.c", "vq->sequence--;", ""),
    Mutant("packed_driver.c", "vq->batch > 0 || ", ""),
    Mutant("heads.h", "    heads[head].writable = len;\n    heads_forget(heads, head);\n", "    heads[head].writable = len;\n"),
    Mutant("heads.h", "refused ? HEAD_REFUSED : HEAD_NOT_USED", "HEAD_NOT_USED"),
    # a word loaded twice, a store that tells nothing new
    Mutant("split_ring.h", "words.rest = access_load64(&at[1]);",
           "words.rest = (access_load64(&at[1]), access_load64(&at[1]));"),
    *(Mutant(file, f"{len_of} = split_load_used_len(elem);", f"{len_of} = (split_load_used_len(elem), split_load_used_len(elem));")
      for file, len_of in (("split_driver.c", "const uint32_t peer_len"), ("split_return.h", "uint32_t len"),
                           ("split_return.h", "vq->batch_len"))),
    Mutant("split_adding.h", "if (!PORT_FAST || adding->entry->order != head) {", "{"),
    # going on after a restart
    Mutant("packed_resume.c", "packed_store_flags(r, packed_entry(at), packed_avail_flags(at));", ""),
    Mutant("split_resume.c", "vq->owes = true;", "", which=1),
    Mutant("heads.h", "heads_forget(heads, head);\n}\n\n/* Sort", "}\n\n/* Sort"),
    Mutant("inflight.c", "vring_heads_sort(heads, count);", ""),
    # what a recovery mends, and when
    Mutant("inflight.c", "heads[i].handle != ENTRY_SEEN && (access", "(access"),
    Mutant("inflight.c", "            inflight_split_drop(track, i);\n        heads_forget", "            {}\n        heads_forget"),
    Mutant("inflight.c", "        heads_forget(heads, i);\n    }\n    access_release16(&inflight_split", "    }\n    access_release16(&inflight_split"),
    Mutant("inflight.c", "    access_release16(&inflight_split(track)->used_idx, used_idx, false);\n", ""),
    Mutant("split_resume.c", "    if (!error)\n        error = split_device_fits(&fresh, next_used, count);\n    if (error)\n        return error;\n    vring_inflight_mend",
           "    if (!error)\n        vring_inflight_mend_split(&fresh.inflight, fresh.heads, fresh.ring.size, next_used), error = split_device_fits(&fresh, next_used, count);\n    if (error)\n        return error;\n    vring_inflight_mend"),
    # what a saved state says of a batch, and of an order
    Mutant("split_resume.c", "        if (head != (next & vq->ring.mask))\n            return false;\n", ""),
    Mutant("split_resume.c", "fresh.seen_used = peer_idx;", ";"),
    Mutant("split_resume.c", "if (!feature_on(vq->features, VRING_F_IN_ORDER) || header->batch > header->count)", "if (header->batch > header->count)"),
    Mutant("split_resume.c", " || header->batch > header->count)", ")"),
    Mutant("packed_resume.c", "if (!feature_on(vq->features, VRING_F_IN_ORDER) || header->batch > header->count)", "if (header->batch > header->count)"),
    Mutant("packed_resume.c", " || header->batch > header->count)", ")"),
    Mutant("used_len.h", "len <= writable || policy == VRING_USED_LEN_TRUST", "1"),
    Mutant("used_len.h", "len <= writable || policy == VRING_USED_LEN_TRUST", "len <= writable"),
    Mutant("used_len.h", "? VRING_USED_LEN_TRUST : VRING_USED_LEN_BREAK", "? 300 : VRING_USED_LEN_BREAK"),
    Mutant("packed_driver.c", "            if (!error)\n                error = packed_driver_judge_len(vq, &here, slot, &len);\n            if (error)", "            if (error)"),
    # a suspended device hands out what waits, and nothing else
    Mutant("holds.h", " && vring_split_device_waits(vq))", ")"),
    Mutant("holds.h", " && vring_packed_device_waits(vq))", ")"),
    Mutant("holds.h", "vq->live == SUSPENDED && vring_split_device_waits(vq)", "0"),
    Mutant("holds.h", "vq->live == SUSPENDED && vring_packed_device_waits(vq)", "0"),
    Mutant("batch.h", "n > 0 && error == VRING_E_STATE", "0"),
    Mutant("batch.h", "n > 0 && error == VRING_E_STATE", "error == VRING_E_STATE"),
    # what was used before a restart is passed over
    Mutant("heads.c", "held_back ? used | HEAD_BEFORE : used", "used"),
    Mutant("heads.c", "heads[head].used & ~(unsigned)HEAD_BEFORE", "heads[head].used"),
    Mutant("heads.h", "heads[head].used & ~HEAD_BEFORE", "heads[head].used"),
    Mutant("split_device.c", "(vq->heads[split_device_taken_at(vq, waiting)].used & HEAD_BEFORE)", "0"),
    Mutant("packed_device.c", "(vq->heads[packed_device_taken_at(vq, waiting)].used & HEAD_BEFORE)", "0"),
    Mutant("packed_device.c", "        entries += vq->heads[packed_device_taken_at(vq, waiting)].taken;", "        ;"),
    Mutant("split_device.c", "        vq->waiting = waiting;", "        vq->waiting++;"),
    Mutant("packed_device.c", "        vq->waiting = waiting;", "        vq->waiting++;"),
    Mutant("packed_driver.c", "!error && (config->index & 0x7fff) >= config->size", "0"),
    Mutant("packed_device.c", "!error && (config->index & 0x7fff) >= config->size", "0"),
    Mutant("heads.c", "vring_heads_sort(heads, count);", ""),
    Mutant("saved.h", "!= saved_checksum(", "!= (uint64_t)-1 && 0 && saved_checksum("),
    Mutant("split_ring.h", "PORT_BIG_ENDIAN == SPLIT_WIRE_IS_LE ? port_swap16", "PORT_BIG_ENDIAN ? port_swap16"),
    Mutant("split_device.c", "if (feature_on(vq->features, VRING_F_NOTIFY_ON_EMPTY) && split_device_is_idle(vq))", "if (0)"),
    # batches
    Mutant("batch.h", "n > 0 && ", ""),
    Mutant("split_take.c", "chain += vring_error_blame(error) == VRING_BLAME_CHAIN;", ""),
    Mutant("split_take.c", "batch_least((uint32_t)ready, n_iov)", "(uint32_t)ready"),
    Mutant("split_take.c", "batch->read = batch->read && chain == chains;", "batch->read = true;"),
    Mutant("split_take.c", "if (before == most)", "if (0)"),
    Mutant("split_use.h", "heads[next].handle != used[added].handle || ", ""),
    Mutant("split_use.h", "!heads_used_in_full(heads, next, used[added].len)", "0"),
    Mutant("split_walk.h", "if (!(outer->flags & VRING_DESC_INDIRECT) || (outer", "if ((outer"),
    Mutant("split_walk.h", " || (outer->flags & VRING_DESC_NEXT) ||", " ||"),
    Mutant("split_walk.h", "!feature_on(vq->features, VRING_F_INDIRECT_DESC) || outer", "outer"),
    Mutant("split_walk.h", " || outer->len % 16 != 0", ""),
    Mutant("split_walk.h", " || outer->len / 16 > vq->max_chain", ""),
    Mutant("split_use.h", "for (most = batch_least(most, count); added", "for (; added"),
    Mutant("split_return.h", "taking->slots[taking->next_used & taking->ring->mask].order;", "taking->free_head;"),
    Mutant("chain.h", "(flags & (VRING_DESC_WRITE | VRING_DESC_INDIRECT)) != 0", "(flags & VRING_DESC_INDIRECT) != 0"),
    Mutant("chain.h", "(flags & (VRING_DESC_WRITE | VRING_DESC_INDIRECT)) != 0", "(flags & VRING_DESC_WRITE) != 0"),
    Mutant("split_take.c", "taken += error == 0 || vring_error_blame(error) == VRING_BLAME_CHAIN;", "taken += error == 0;"),
    Mutant("packed_take.c", "n_iov - pieces", "n_iov"),
    Mutant("packed_driver.c", "while (taken < capacity && (error", "while ((error"),
    Mutant("packed_driver.c", "for (; !error && taken < capacity; taken += row)", "for (; !error; taken += row)"),
    Mutant("packed_driver.c", "batch_least(left, batch_least(left, capacity) * step)", "left"),
    Mutant("packed_driver.c", "batch_least(left, batch_least(left, capacity) * step)", "batch_least(left, capacity) * step"),
    Mutant("packed_driver.c", "            end = here;\n", ""),
    Mutant("packed_driver.c", " - packed_entry(at) + count - step;", " - packed_entry(at);"),
    Mutant("packed_device.c", "if (!error && packed_device_passes(vq))", "if (packed_device_passes(vq))"),
    Mutant("split_device.c", "        vq->generation = generation; /*", "        /*"),
    Mutant("split_device.c", "        chain->handle = HANDLE_NONE;\n", ""),
    Mutant("split_snapshot.c", "peer_broken_by(vq->live)", "vq->fault.error"),
    Mutant("packed_device.c", "        vq->generation = generation; /*", "        /*"),
    Mutant("packed_device.c", "        chain->handle = HANDLE_NONE;\n", ""),
    Mutant("packed_snapshot.c", "peer_broken_by(vq->live)", "vq->fault.error"),
    Mutant("device.c", "if (resume_has_set_up(answer))", "if (answer >= 0)", which=1),
    Mutant("packed_device.c", " && here.desc < end.desc; next++", "; next++"),
    Mutant("batch.h", "(uint32_t)n_writable << 16 | n_readable", "(uint32_t)n_writable << 16"),
    Mutant("batch.h", "(uint32_t)n_writable << 16 | n_readable", "n_readable"),
    Mutant("batch.h", "buffer->table ? NULL : buffer->segments", "buffer->segments"),
    Mutant("packed_give.c", "        if (!segment_is_sound(addr, len))\n            break;\n", ""),
    Mutant("packed_give.c", "in_order && id == whole ? 0 : id", "id"),
    Mutant("packed_give.c", "batch_least(batch_least(count, vq->free_count), whole - start)", "batch_least(count, whole - start)"),
    Mutant("packed_give.c", "batch_least(batch_least(count, vq->free_count), whole - start)", "batch_least(count, vq->free_count)"),
    Mutant("packed_give.c", "batch_least(count, whole - id)", "count"),
    Mutant("packed_driver.c", "capacity - taken), vq->ring.size - vq->oldest)", "capacity - taken), vq->batch)"),
    Mutant("packed_use.h", "batch_least(vq->in_flight, count)", "count"),
    Mutant("packed_give.c", " || pieces > max_pieces", ""),
    Mutant("packed_take.c", "capacity - taken, n_iov - taken)", "capacity - taken, n_iov)"),
    Mutant("packed_take.c", "capacity - taken, n_iov - taken)", "capacity, n_iov - taken)"),
    Mutant("packed_take.c", "chains + taken, capacity - taken}", "chains + taken, capacity}"),
    Mutant("packed_take.c", "n_iov - taken, chains", "n_iov, chains"),
    Mutant("packed_row.h", "if (!packed_is_avail(flags, at))\n", "if (0)\n"),
    Mutant("packed_take.c", "            *first = desc;\n", ""),
    Mutant("packed_take.c", "        n_iov -= chain->n_readable + chain->n_writable;\n", ""),
    Mutant("packed_taking.h", "entries = size - packed_entry(vq->next_avail),", "entries = size,"),
    Mutant("packed_taking.h", "places = size - vq->taken,", "places = size,"),
    Mutant("packed_taking.h", "room = size - vq->held;", "room = size;"),
    # a straight walk
    Mutant("packed_take.c", "batch_least(room, limit)", "room"),
    Mutant("packed_take.c", "batch_least(n_iov, vq->max_chain)", "n_iov"),
    Mutant("packed_walk.h", "!feature_on(vq->features, VRING_F_INDIRECT_DESC) || (outer", "(outer"),
    Mutant("packed_walk.h", " || (outer->flags & VRING_DESC_NEXT)", ""),
    Mutant("packed_walk.h", "outer->len % 16 != 0 || ", ""),
    Mutant("packed_take.c", "rest->place.judged = step == CHAIN_MORE;", "rest->place.judged = false;"),
    Mutant("packed_give.c", "!PORT_FAST || packed_driver_staged(vq) == 0)", "!PORT_FAST)"),
    Mutant("packed_device.c", "straight && vq->staged > 0", "straight"),
    # arithmetic
    Mutant("event.h", "(uint16_t)(now - event - 1) < (uint16_t)(now - before)", "now > event && event >= before"),
    Mutant("event.h", "(uint16_t)(now - event - 1) < (uint16_t)(now - before)",
           "(uint16_t)(now - event) < (uint16_t)(now - before)"),
    Mutant("event.h", "in_flight * 3 / 4", "in_flight / 2"),
    # what a straight path leaves to the other
    Mutant("chain.h", "if (step == CHAIN_DONE && PORT_UNLIKELY(run->bytes > UINT32_MAX)) {", "if (0) {"),
    Mutant("chain.h", "    run->from = run->iov;\n", ""),
    Mutant("chain.h", "step == CHAIN_TURNS && !(last", "!(last"),
    Mutant("chain.h", "        chain_run_drop(run, desc, chain);\n", ""),
    Mutant("chain.h", "    if (chain->n_writable > 0) {", "    if (true) {"),
    Mutant("chain.h", "    if (chain->n_writable > 0) {", "    if (false) {"),
    Mutant("chain.h", " && !(last->flags & VRING_REGION_READ_ONLY);", ";"),
    Mutant("chain.h", "return step == CHAIN_TURNS ? CHAIN_STRAYS : step;", "return step;"),
    Mutant("packed_walk.h", "if (PORT_UNLIKELY(run->iov == run->end))", "if (0)"),
    Mutant("packed_walk.h", "room > 0 ? packed_device_run_kind(vq, &here, desc, &run, 0) : CHAIN_STRAYS", "packed_device_run_kind(vq, &here, desc, &run, 0)"),
    Mutant("packed_walk.h", "while (run->iov != run->end) {", "for (;;) {"),
    Mutant("packed_take.c", "if (PORT_UNLIKELY(packed_device_is_table(&desc) != indirect))", "if (0)"),
    Mutant("split_walk.h", "while (run->iov != run->end) {", "for (;;) {"),
    Mutant("split_take.c", "from ? split_desc_index(taking->ring->desc, from) : (uint32_t)head", "(uint32_t)head"),
    Mutant("split_take.c", "told > 0 ? run.iov - told : run.iov", "run.iov"),
    Mutant("split_walk.h", "    at->i = split_desc_index(table.desc, from);\n", ""),
    Mutant("split_walk.h", "if (next > table->mask)", "if (0)"),
    Mutant("split_take.c", "if (from || !split_device_run_table", "if (!split_device_run_table"),
    Mutant("split_taking.h", "batch_least(n_iov, vq->max_chain)", "n_iov"),
    Mutant("packed_give.c", " || n_readable + n_writable != 1 ||", " ||"),
    Mutant("packed_give.c", "vq->free_count == 0 || segment_check", "segment_check"),
    Mutant("packed_give.c", " || segment_check(segments->addr, segments->len) != 0", ""),
    Mutant("packed_device.c", "        return packed_device_add_in_order(vq, handle, len);\n", "        {}\n"),
    Mutant("packed_take.c", "VRING_DESC_NEXT | VRING_DESC_INDIRECT | VRING_DESC_WRITE)", "VRING_DESC_INDIRECT | VRING_DESC_WRITE)"),
    Mutant("packed_take.c", "VRING_DESC_NEXT | VRING_DESC_INDIRECT | VRING_DESC_WRITE)", "VRING_DESC_NEXT | VRING_DESC_WRITE)"),
    Mutant("packed_take.c", "} else if (unlike == VRING_DESC_WRITE) {", "} else if (1) {"),
    # what comes free
    Mutant("split_driver.c", "    *link = (uint16_t)taking.free_head;\n", ""),
    Mutant("split_driver.c", "    taking.free_head = first;\n", ""),
    Mutant("slots.h", "    *link = &slots[slots[head].last].next;\n", "    *link = &slots[head].next;\n"),
    Mutant("slots.h", "    *link = (uint16_t)free_head;\n", ""),
    # which queues go straight
    *(Mutant(f"{cell}.c", "    straight_forget(&vq->straight);\n", "", which=which)
      for cell, count in (("split_driver", 1), ("packed_driver", 1), ("split_device", 3), ("packed_device", 3)) for which in range(count)),
    Mutant("peer.c", "        *straight = 0;", "        ;"),
    Mutant("straight.h", " && settled", ""),
    Mutant("straight.h", " && live == LIVE", ""),
    Mutant("straight.h", " && !resume_owes(owes)", ""),
    Mutant("straight.h", "feature_on(features, VRING_F_IN_ORDER) ? STRAIGHT_IN_ORDER : STRAIGHT_ANY_ORDER", "STRAIGHT_ANY_ORDER"),
    *(Mutant("straight.h", text, "true", which=which)
      for text in ("!inflight_is_kept(&vq->inflight)", "resume_waiting(vq->waiting) == 0") for which in range(2)),
    Mutant("split_driver.c", " ||\n                                    vq->next_avail != vq->published))", "))"),
    Mutant("packed_driver.c", " ||\n                                    packed_driver_staged(vq) != 0))", "))"),
    *(Mutant(f"{cell}.c", "!used || !straight_is(vq->straight, STRAIGHT_ANY_ORDER)", "!used || straight_is(vq->straight, STRAIGHT_UNKNOWN)")
      for cell in ("split_driver", "packed_driver")),
    *(Mutant(f"{cell}.c", "!vq || straight_is(vq->straight, STRAIGHT_UNKNOWN)", "!vq") for cell in ("split_driver", "packed_driver")),
    Mutant("split_driver.c", "STRAIGHT_UNKNOWN) || vq->next_avail == vq->published))", "STRAIGHT_UNKNOWN)))"),
    Mutant("split_driver.c", "PEER_BAD(!slot_in_flight(vq->slots, head) || ", "PEER_BAD("),
    Mutant("split_driver.c", " || peer_len > vq->slots[head].writable))", "))"),
    *(Mutant(f"{cell}.c", text, becomes)
      for cell in ("split_device", "packed_device") for text, becomes in (
          ("!vq || !straight_is(vq->straight, STRAIGHT_ANY_ORDER)", "!vq || straight_is(vq->straight, STRAIGHT_UNKNOWN)"),
          ("!vq || !straight_is(vq->straight, STRAIGHT_ANY_ORDER)", "!vq || straight_is(vq->straight, STRAIGHT_IN_ORDER)"),
          ("heads_check_use(vq->heads, vq->ring.size, handle, len) != 0))", "false))"),
          ("        if (!straight_is(vq->straight, STRAIGHT_IN_ORDER))\n", "        if (false)\n"),
          (f"        {cell}_end_batch(vq);\n    }}\n", "    }\n"))),
    *(Mutant(f"{cell}.c", text, becomes)
      for cell in ("split_take", "packed_take") for text, becomes in (
          ("!iov || n_iov == 0))", "!iov))"),
          ("if (straight_is(vq->straight, STRAIGHT_ANY_ORDER))", "if (!straight_is(vq->straight, STRAIGHT_IN_ORDER))"),
          ("if (straight_is(vq->straight, STRAIGHT_IN_ORDER))", "if (true)"))),
    # runs, and what is held because of where it stands
    Mutant("heads.h", "heads[position & mask].order == head", "1"),
    Mutant("heads.h", "(uint16_t)(position - first) < count && ", ""),
    Mutant("heads.h", " && heads[place].order == id", ""),
    Mutant("heads.h", "(place >= first ? place : place + size) - first < count && ", ""),
    Mutant("slots.h", "(uint16_t)(position - first) < count && ", ""),
    Mutant("holds.h", "return slot_is_at(vq->slots, vq->ring.mask, head, vq->next_used, (uint16_t)(vq->next_avail - vq->next_used));",
           "return slot_in_flight(vq->slots, head);"),
    Mutant("holds.h", "(id + size - vq->oldest) % size < packed_driver_in_flight(vq)", "slot_in_flight(vq->slots, id)"),
    Mutant("holds.h", "heads_is_at(vq->heads, vq->ring.mask, head, vq->next_used, in_flight)", "1"),
    Mutant("holds.h", "heads_is_among(vq->heads, vq->ring.size, id, vq->oldest, vq->in_flight - packed_device_unwritten(vq))", "1"),
    Mutant("holds.h", "vq->in_flight - packed_device_unwritten(vq));", "vq->in_flight);"),
    Mutant("holds.h", "|| packed_device_is_unwritten(vq, id) ||", "||"),
    Mutant("holds.h", "vq->unwritten < vq->in_flight ? vq->unwritten : vq->in_flight", "vq->unwritten"),
    Mutant("holds.h", "        vring_packed_device_write_down(vq);\n", ""),
    Mutant("holds.h", "        vq->unwritten = 0;\n", ""),
    Mutant("holds.h", " && !inflight_is_kept(&vq->inflight)", ""),
    Mutant("holds.h", " && !inflight_is_kept(&vq->inflight)", "", which=1),
    Mutant("split_taking.h", "PEER_BAD(taking->passes ? ", "PEER_BAD(0 ? "),
    # with IN_ORDER a driver goes round, but is not believed
    Mutant("split_row.h", "if (!split_device_goes_round(vq))", "if (0)"),
    Mutant("split_row.h", "split_load_entry(entry) != (uint16_t)handle", "0"),
    Mutant("split_row.h", "ring->size - (place > first ? place : first)", "ring->size - place"),
    Mutant("split_row.h", "ring->size - (place > first ? place : first)", "ring->size - first"),
    Mutant("holds.h", "head == vq->next_head ? (uint16_t)(vq->round + 1) : 1", "(uint16_t)(vq->round + 1)"),
    Mutant("holds.h", "vq->next_head = (uint16_t)((head + 1u) & vq->ring.mask);", ""),
    Mutant("split_device.c", "vq->next_head = head;", ""),
    Mutant("split_device.c", "vq->round--;", ";"),
    Mutant("packed_taking.h", "taking->passes ? heads_is_among(heads, r->size, id, taking->oldest, taking->in_flight)",
           "0 ? 0"),
    Mutant("split_take.c", "        vq->odd = (uint16_t)(vq->next_avail - vq->next_used);\n", "        {}\n"),
    Mutant("packed_take.c", "        vq->odd = vq->in_flight;\n", "        {}\n"),
    Mutant("split_use.h", "    vq->odd = (uint16_t)(vq->next_avail - vq->next_used);\n", ""),
    Mutant("packed_use.h", "    vq->odd = vq->in_flight;\n", ""),
    Mutant("split_resume.c", "vq->odd = vq->waiting = count;", "vq->waiting = count;"),
    Mutant("packed_resume.c", "    vq->odd = count;\n", ""),
    Mutant("split_resume.c", ".record = at;", ".record = 0;"),
    Mutant("packed_resume.c", "vq->heads[vq->heads[i].order].record = i;", ";"),
    Mutant("packed_resume.c", "vq->slots[id].position = (uint16_t)packed_before", "(void)packed_before"),
    Mutant("split_take.c", "split_device_place(vq, head, vq->next_avail);", "{}"),
    Mutant("split_taking.h", "split_device_place(vq, (uint16_t)head, (uint16_t)taking->next_avail);", "{}"),
    Mutant("split_row.h", "(head++)->record = (uint16_t)position;", "head++;"),
    Mutant("packed_taking.h", "heads[id].record = (uint16_t)taking->taken;", ""),
    Mutant("packed_taking.h", "heads[id].link = (uint16_t)last;", ""),
    Mutant("packed_taking.h", "        taking->in_flight++;\n", ""),
    Mutant("packed_take.c", "vq->heads[id].record = (uint16_t)vq->taken;", ""),
    Mutant("packed_take.c", "vq->heads[id].link = ", "(void)"),
    Mutant("packed_walk.h", "        walk->left = vq->max_chain; /*", "        /*"),
    Mutant("packed_walk.h", "batch_least(vq->max_chain, room)", "vq->max_chain"),
    Mutant("packed_row.h", "vq->row < vq->in_flight || ", ""),
    Mutant("packed_row.h", " || id != packed_after(&vq->ring, vq->last_id)", ""),
    Mutant("packed_row.h", "id >= size || ", ""),
    Mutant("packed_row.h", "batch_least(room, size - id)", "room"),
    Mutant("packed_row.h", "batch_least(room, size - id)", "size - id"),
    Mutant("packed_row.h", "batch_least(most, entries)", "most"),
    Mutant("packed_row.h", "batch_least(most, entries)", "entries"),
    Mutant("packed_row.h", "desc.next != id || ", ""),
    Mutant("packed_row.h", "(uint16_t)(packed_device_unwritten(vq) + taken)", "(uint16_t)taken"),
    Mutant("packed_row.h", "        heads_set_taken(head, 1, HEAD_NOT_USED);\n", ""),
    Mutant("packed_row.h", "        head->writable = (uint32_t)one.writable;\n", ""),
    Mutant("packed_row.h", "vq->row > 0 && id == packed_after(&vq->ring, vq->last_id) ? (uint16_t)(vq->row + 1) : 1",
           "(uint16_t)(vq->row + 1)"),
    Mutant("packed_taking.h", "        vq->row = 1; ", "        vq->row++; "),
    Mutant("packed_taking.h", "        packed_device_settle(vq);\n", "        {}\n"),
    Mutant("packed_device.c", "        packed_device_settle(vq);\n", "        {}\n"),
    Mutant("packed_device.c", "        packed_device_settle(vq);\n", "        {}\n", which=1),
    Mutant("packed_device.c", "        packed_device_settle(vq);\n", "        {}\n", which=2),
    Mutant("packed_device.c", "        packed_device_settle(vq);\n", "        {}\n", which=3),
    Mutant("packed_use.h", "    if (handle != packed_device_row_handle(vq, id, back))\n        return VRING_E_HANDLE;\n", ""),
    Mutant("packed_use.h", "    if (len > vq->heads[id].writable)\n        return VRING_E_LEN;\n", ""),
    Mutant("packed_device.c", "vq->odd == 0 && last < vq->ring.size &&", "last < vq->ring.size &&"),
    Mutant("packed_device.c", "        head->handle = packed_device_row_handle(vq, id, back);\n", ""),
    Mutant("packed_device.c", "        vq->row = 0;\n", "        {}\n"),
    Mutant("packed_device.c", "        head->record = (uint16_t)place;\n", ""),
    Mutant("packed_device.c", "        head->link = packed_entry(packed_back(r, vq->next_avail, back + 1));\n", ""),
    Mutant("packed_device.c", "        vq->heads[place].order = (uint16_t)id;\n", ""),
    Mutant("packed_resume.c", "        vring_packed_device_write_down(vq);\n", "        {}\n"),
    Mutant("packed_give.c", "batch_least(batch_least(count, vq->free_count),", "batch_least(count,", which=1),
    Mutant("packed_give.c", "        if (!segment_is_sound(addr, len))\n            return 0;\n", ""),
    Mutant("packed_give.c", "if (packed_driver_staged(vq) == 0 && next != end) {", "if (next != end) {"),
    Mutant("packed_give.c", "if (packed_driver_staged(vq) == 0 && next != end) {", "if (packed_driver_staged(vq) == 0) {"),
    Mutant("packed_give.c", "batch_least(whole - packed_entry(at), whole - vq->free_head)", "whole - packed_entry(at)"),
    Mutant("packed_give.c", "batch_least(whole - packed_entry(at), whole - vq->free_head)", "whole - vq->free_head"),
    Mutant("slots.h", "port_pair(count, position, 16)", "port_pair(0, position, 16)"),
    Mutant("slots.h", "port_pair(count, position, 16)", "port_pair(count, 0, 16)"),
    Mutant("slots.h", "row + slot_row_of(0, 1)", "row"),
    Mutant("slots.h", "    row |= port_pair(writable, 0, 32);\n", ""),
    Mutant("heads.h", "port_pair(taken, used, 16)", "port_pair(0, used, 16)"),
    Mutant("port.h", "second << bits | first", "first << bits | second"),
    Mutant("split_give.c", "place + (uint32_t)(segment - segments), head", "place, head"),
    Mutant("split_give.c", "        row = slot_row_after(row);\n", ""),
    Mutant("packed_give.c", "        row = slot_row_after(row);\n", ""),
    Mutant("packed_give.c", "        row = slot_row_after(row);\n", "", which=1),
    Mutant("packed_adding.h", "(in_order ? last : adding->sequence)", "adding->sequence"),
    Mutant("packed_give.c", "(in_order ? last : sequence)", "sequence"),
    Mutant("packed_give.c", "        slot->position = (uint16_t)packed_entry(at);\n", "        {}\n"),
    Mutant("split_driver.c", "count == vq->batch ? vq->batch_len : last->writable", "vq->batch_len"),
    Mutant("split_driver.c", "((end - vq->free_head - vq->free_count - 1) & mask) + 1", "(end - vq->free_head - vq->free_count) & mask"),
    Mutant("split_driver.c", "batch_least(vq->batch, capacity)", "vq->batch"),
    Mutant("packed_driver.c", "count == vq->batch ? vq->batch_len : vq->slots[last].writable", "vq->batch_len"),
    Mutant("packed_driver.c", "uint32_t count = batch_least(vq->batch, capacity)", "uint32_t count = vq->batch"),
    Mutant("split_ring.h", "count < ahead ? count : ahead", "count"),
    Mutant("split_take.c", "batch_least(most, ring->size - place)", "most"),
    Mutant("split_give.c", "ring.size - (first > place ? first : place)", "ring.size - first"),
    Mutant("split_give.c", "ring.size - (first > place ? first : place)", "ring.size - place"),
    Mutant("split_give.c", "batch_least(batch_least(count, vq->free_count),", "batch_least(count,"),
    Mutant("split_give.c", "if (!feature_on(vq->features, VRING_F_IN_ORDER))\n        return split_driver_add_segments",
           "if (0)\n        return split_driver_add_segments"),
    # what is remembered
    Mutant("slots.h", "slots[position & mask].order == head", "1"),
    Mutant("packed_return.h", "return vq->slots[packed_entry(last)].order == id;", "return true;"),
    Mutant("packed_driver.c", "vq->told = vq->sequence;", ""),
    Mutant("slots.h", "slots[head].count = 0;", ""),
    Mutant("heads.h", "head < size && heads[head].handle == handle", "head < size"),
    Mutant("heads.h", "heads[head].taken = 0;", ""),
    Mutant("heads.h", "with its neighbours */\n    heads_forget(heads, head);\n", "with its neighbours */\n"),
    Mutant("peer.c", "    *live = -(int)error;\n", ""),
    Mutant("peer.h", "(most == LIVE ? *live == LIVE : *live > 0)", "(*live > 0)"),
    Mutant("peer.h", "(most == LIVE ? *live == LIVE : *live > 0)", "(*live == LIVE)"),
    # what the caller is refused
    Mutant("heads.h", "PORT_UNLIKELY(len > heads[handle_head(handle)].writable)", "0"),
    Mutant("chain.h", "return walk->pieces <= walk->capacity ? 0 : VRING_E_ROOM;", "return 0;"),
    Mutant("chain.h", "if (walk->pieces++ < walk->capacity) {", "if (walk->pieces++ <= walk->capacity) {"),
    Mutant("split_ring.h", "VRING_DESC_NEXT | VRING_DESC_INDIRECT | VRING_DESC_WRITE", "VRING_DESC_INDIRECT | VRING_DESC_WRITE"),
    Mutant("split_ring.h", "VRING_DESC_NEXT | VRING_DESC_INDIRECT | VRING_DESC_WRITE", "VRING_DESC_NEXT | VRING_DESC_WRITE"),
    Mutant("split_ring.h", "(words.rest & judged) == split_wire64(split_rest(0, kind, 0))",
           "(words.rest & judged & ~split_wire64(split_rest(0, VRING_DESC_WRITE, 0))) == 0"),
    Mutant("regions.h", "end < begin || ", ""),
    Mutant("regions.h", "end >= (size_t)last->size)", "begin >= (size_t)last->size)"),
    Mutant("regions.h", "writable && (last->flags & VRING_REGION_READ_ONLY)", "0"),
    Mutant("split_give.c", "    if (count > adding.free_count || !split", "    if (!split"),
    Mutant("split_give.c", "vq && vq->live == LIVE && segments", "vq && segments"),
    Mutant("split_give.c", "segments && vq->free_count > 0))", "segments))"),
    Mutant("split_give.c", "n_writable == 0 && n_readable == 1 && split", "n_writable == 0 && split"),
    Mutant("split_give.c", "n_readable == 0 && n_writable == 1 && split", "n_writable == 1 && split"),
    Mutant("split_give.c", "    if (!segment_is_sound(segment->addr, len))\n        return false;\n    split_store", "    split_store"),
    Mutant("split_adding.h", "if (!segment_is_sound(addr, len))\n            return false;", ""),
    Mutant("split_adding.h", "return (readable + writable) >> 32 == 0;", "return true;"),
    Mutant("split_adding.h", "list->writable = writable;", "list->writable = readable + writable;"),
    Mutant("split_adding.h", "split_rest(len, kind | VRING_DESC_NEXT, list->next)", "split_rest(len, VRING_DESC_NEXT, list->next)"),
    Mutant("split_adding.h", "rest & split_rest(UINT32_MAX, VRING_DESC_WRITE, 0)", "rest"),
    Mutant("split_adding.h", "segments_check_table(table, count) || ", ""),
    Mutant("split_give.c", "adding->free_count / entries", "UINT32_MAX"),
    Mutant("split_give.c", "    adding->free_count -= (uint32_t)(buffer - begin) * entries;\n", ""),
    Mutant("split_give.c", "slot_row_of(entries, slot_row_position(adding->row))", "slot_row_of(1, slot_row_position(adding->row))"),
    Mutant("split_give.c", "        if (tables != (table != NULL))\n            break;\n", ""),
    Mutant("split_give.c", "        if (!segments)\n            break;\n", ""),
    Mutant("split_give.c", "buffer != end && batch_shape(buffer->n_readable, buffer->n_writable) == shape; buffer++", "buffer != end; buffer++"),
    Mutant("batch.h", "(uint32_t)n_writable << 16 | n_readable", "n_writable"),
    Mutant("batch.h", "(uint32_t)n_writable << 16 | n_readable", "n_readable"),
    Mutant("split_give.c", "if (count - 1 >= most)", "if (false)"),
    Mutant("segments.h", "if (len == 0)", "if (0)"),
    Mutant("segments.h", "addr + len > addr", "addr + len >= addr"),
    Mutant("segments.h", "addr + len > addr", "len != 0"),
    Mutant("layout.c", "if (overlap(&ranges[i], &ranges[j]))", "if (0)"),
]


# Where code is built for size the verbs go one general way, past the straight paths: what only that way knows.
SMALL = [
    # what drivers of both formats do alike
    Mutant("alike.h", "    if (count - 1 >= vq->max_pieces)", "    if (0)"),
    Mutant("alike.h", "    if (!segments)\n        return VRING_E_NULL;\n", ""),
    Mutant("alike.h", "    if (count > vq->free_count)\n        return VRING_E_FULL;\n", ""),
    Mutant("alike.h", "    slot->position = vq->next_avail++;\n", "    slot->position = 0; vq->next_avail++;\n"),
    Mutant("alike.h", "    vq->free_count = (uint16_t)(vq->free_count - count);\n", ""),
    Mutant("alike.h", "(uint16_t)(vq->slots[id].position - vq->published) < (uint16_t)(vq->next_avail - vq->published) &&", "true &&"),
    Mutant("alike.h", " &&\n           vq->slots[entry].order == id;", ";"),
    Mutant("alike.h", "packed ? id : slot->last", "id"),
    Mutant("alike.h", "packed ? slot->last : slot->position", "slot->position"),
    Mutant("alike.h", "    slots[end].next = vq->free_head;\n", ""),
    Mutant("alike.h", "    slot->count = 0;\n", ""),
    Mutant("alike.h", "    vq->free_count = (uint16_t)(vq->free_count + count);\n", ""),
    Mutant("alike.h", "    vq->next_used++;\n", ""),
    Mutant("packed_adding.h", "        slot->last = (uint16_t)last;\n", "        {}\n"),
    Mutant("packed_resume.c", "vq->slots[i].order = UINT16_MAX;", ";"),
    Mutant("packed_give.c", "        slots[packed_entry(at)].order = (uint16_t)id;\n", ""),
    Mutant("packed_give.c", "        slots[packed_entry(at)].order = (uint16_t)id;\n",
           "        if (count == 0)\n            slots[packed_entry(at)].order = (uint16_t)id;\n"),
    Mutant("packed_give.c", "        slot->position = slot->last;\n", "        {}\n"),
    Mutant("split_give.c", "    slots[at & vq->ring.mask].order = (uint16_t)head;\n", ""),
    Mutant("segments.h", "        if (error)\n            return error;\n", ""),
    Mutant("segments.h", "    if (bytes > UINT64_C(1) << 32)\n        return VRING_E_LEN;\n", ""),
    Mutant("segments.h", "        if (i < n_readable)\n            readable = (uint32_t)bytes;\n", ""),
    Mutant("segments.h", "*writable = UINT32_MAX;", "*writable = 0;"),
    Mutant("split_give.c", "        if (count == n_writable)\n            flags += VRING_DESC_WRITE;\n", ""),
    Mutant("split_give.c", "        if (--count == 0)\n            flags -= VRING_DESC_NEXT;\n", "        --count;\n"),
    Mutant("split_give.c", "(in_table ? 1 : count) > vq->free_count", "count > vq->free_count"),
    Mutant("split_give.c", "(in_table ? 1 : count) > vq->free_count", "false"),
    Mutant("split_give.c", "        last = head;\n        count = 1;\n", "        last = head;\n"),
    Mutant("split_give.c", "*next = in_table ? last + 1 : slots[last].next;", "*next = last + 1;"),
    Mutant("split_give.c", "in_table ? segments_check_table(table, count) : 0", "0"),
    Mutant("split_driver.c", "while (taken < capacity && (error", "while ((error"),
    Mutant("split_driver.c", "    if (feature_on(vq->features, VRING_F_IN_ORDER))\n        return split_driver_get_one_in_order(vq, used);\n", ""),
    Mutant("packed_give.c", "        if (count == n_writable)\n            flags += VRING_DESC_WRITE;\n", ""),
    Mutant("packed_give.c", "        if (--count == 0)\n            flags -= VRING_DESC_NEXT;\n", "        --count;\n"),
    Mutant("packed_give.c", "if (packed_same(at, vq->published))", "if (true)"),
    Mutant("packed_give.c", "if (packed_same(at, vq->published))", "if (false)"),
    Mutant("peer.c", "    *live = -(int)error;\n", ""),
    Mutant("peer.h", "FEATURE_BUILT(VRING_F_SUSPEND) && state > most ? VRING_E_STATE : state", "state"),
    Mutant("packed_give.c", "if (!PORT_FAST || packed_driver_staged(vq) == 0)", "if (PORT_FAST && packed_driver_staged(vq) == 0)"),
]


# Where one format alone is built, for size, for one region, what both share is part of the verbs.
FIRMWARE = [
    Mutant("chain.h", "(PEER_BAD(writable < walk->writing))", "(0)"),
    Mutant("chain.h", "(PEER_BAD(follow > walk->left))", "(0)"),
    Mutant("chain.h", "(PEER_BAD(chain_too_long(", "(0 && (chain_too_long("),
    Mutant("chain.h", "        walk->pieces = 0;\n        walk->bytes = 0;\n", ""),
    Mutant("chain.h", "        walk->writing = false;\n    }\n", "    }\n"),
    Mutant("chain.h", "    if (writable > walk->writing)\n        chain_tell_readable(walk);\n", ""),
    Mutant("chain.h", "    if (!walk->writing)\n        chain_tell_readable(walk);\n", ""),
    Mutant("chain.h", "return walk->pieces <= walk->capacity ? 0 : VRING_E_ROOM;", "return 0;"),
    Mutant("chain.h", "if (walk->pieces++ < walk->capacity) {", "if (walk->pieces++ <= walk->capacity) {"),
    Mutant("regions.h", "last->flags & writable * VRING_REGION_READ_ONLY", "0"),
    Mutant("regions.h", "len != 0 && len <= size && ", ""),
    Mutant("regions.h", " && (size_t)offset <= size - len", ""),
    Mutant("split_walk.h", "(PEER_BAD(desc.next > split_device_last(vq, at)))", "(0)"),
    Mutant("segments.h", "        if (error)\n            return error;\n", ""),
    Mutant("segments.h", "    if (bytes > UINT64_C(1) << 32)\n        return VRING_E_LEN;\n", ""),
    Mutant("segments.h", "        if (i < n_readable)\n            readable = (uint32_t)bytes;\n", ""),
    Mutant("segments.h", "*writable = UINT32_MAX;", "*writable = 0;"),
    Mutant("alike.h", "count == 0 || ", ""),
    Mutant("alike.h", " || alike_is_staged(vq, id, entry)", ""),
]


def build(folder: Path, level: str, programs: dict[str, tuple[str, ...]]) -> list[Program]:
    return [Program(folder / f"{stage}-{access}", [*COMPILE, level, *flags, f"-DVRING_ACCESS_{access}"], SOURCES,
                    [TESTS / "vring" / test for test in tests])
            for stage, flags in STAGES.items() for access, tests in programs.items()]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> list[Program]:
    return build(tmp_path_factory.mktemp("programs"), "-O0", PROGRAMS)


def test_the_tests_pass_on_the_library_as_it_is(tmp_path: Path, programs: list[Program]) -> None:
    assert all(program.passes(tmp_path) for program in programs)


def test_every_broken_library_is_found_out(tmp_path: Path, programs: list[Program]) -> None:
    assert len(judgements()) >= 20
    alive = survivors(judgements() + BREAKS, programs, tmp_path)
    assert not alive, "no test misses these checks:\n  " + "\n  ".join(alive)


def test_every_broken_library_built_for_size_is_found_out(tmp_path: Path) -> None:
    small = build(tmp_path, "-Os", {"ACQREL": PROGRAMS["ACQREL"]})
    assert all(program.passes(tmp_path) for program in small)
    alive = survivors(judgements(small=True) + SMALL, small, tmp_path)
    assert not alive, "no test misses these checks:\n  " + "\n  ".join(alive)


def test_every_broken_library_built_for_firmware_is_found_out(tmp_path: Path) -> None:
    flags = [*COMPILE, "-Os", "-DVRING_BUILD_FEATURES=VRING_F_VERSION_1", "-DVRING_BUILD_RESTART=0", "-DVRING_BUILD_REGIONS=0",
             "-DVRING_BUILD_USED_LEN=0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    firmware = [Program(tmp_path / "small", flags, SOURCES, [TESTS / "vring" / "small_test.c"])]
    assert all(program.passes(tmp_path) for program in firmware)
    alive = survivors(FIRMWARE, firmware, tmp_path)
    assert not alive, "no test misses these checks:\n  " + "\n  ".join(alive)
