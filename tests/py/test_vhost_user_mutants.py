# SPDX-License-Identifier: MIT
"""
The unit tests of examples/vhost-user-blk know a reason for each of its checks: the sources are copied and broken on
purpose, one place at a time, and a test must fail.
"""

from __future__ import annotations

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from limits import MUTANT, PROGRAM
from mutants import Mutant

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = "examples/vhost-user-blk"
COMPILE = [
    "gcc",
    "-std=c11",
    "-O0",
    "-w",
    f"-I{ROOT / 'include'}",
    f"-I{ROOT / 'tests' / 'c'}",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
]

# A test, and the sources that it is linked with.
PROGRAMS = {
    "protocol_test.c": ["protocol.c"],
    "memory_test.c": ["memory.c", "mapping.c"],
    "blk_test.c": ["blk.c", "complain.c"],
}
BREAKS = [
    Mutant("protocol.c", "if ((header->flags & HEADER_VERSION_MASK) != HEADER_VERSION)", "if (0)"),
    Mutant("protocol.c", "if (header->flags & HEADER_REPLY)", "if (0)"),
    Mutant("protocol.c", "if (header->size < shapes[header->request].size_min)", "if (0)"),
    Mutant("protocol.c", "if (header->size > shapes[header->request].size_max)", "if (0)"),
    Mutant("protocol.c", "if (header->size > ", "if ((uint16_t)header->size > "),
    Mutant("protocol.c", "if (message->n_fds > shapes[message->header.request].fds_max) {", "if (0) {"),
    Mutant("protocol.c", "(received->msg_flags & MSG_CTRUNC) == 0", "true"),
    Mutant("protocol.c", "        close(fd);\n        return false;", "        return false;"),
    Mutant("protocol.c", "if (n == 0 && message->have == 0)", "if (n == 0)"),
    Mutant("protocol.c", "            close(message->fds[i]);\n", "            ;\n"),
    Mutant("protocol.c", "        message->fds[i] = -1;\n", ""),
    Mutant("protocol.c", "    memset(message, 0, sizeof *message);", "    message->have = 0;"),
    Mutant("protocol.c", " | MSG_CMSG_CLOEXEC", ""),
    Mutant("protocol.c", " | MSG_NOSIGNAL", ""),
    Mutant("memory.c", "if (region->size == 0)", "if (0)"),
    Mutant("memory.c", "if (!why && overlap(memory))", "if (0)"),
    Mutant("memory.c", "        memory_unmap(memory);\n    return why;", "    return why;"),
    Mutant("memory.c", "rank(table, i), &table", "i, &table"),
    Mutant("memory.c", " || size > memory->regions[i].size - at", ""),
    Mutant("mapping.c", "offset + size > (uint64_t)file.st_size", "0"),
    Mutant("mapping.c", "start = offset & ~(page - 1);", "start = offset;"),
    Mutant("mapping.c", "guard.lost = 1;", "guard.lost = 0;"),
    Mutant("mapping.c", "    *range_from(mapping->start) = (struct range){NULL, 0};\n", ""),
    Mutant("blk.c", "sector <= blk->sectors && ", ""),
    Mutant("blk.c", "pieces->count < IOV_MAX ? (int)pieces->count : IOV_MAX", "(int)pieces->count"),
    Mutant("blk.c", "    pieces_write(&out, NULL, out.bytes);\n", ""),
    Mutant("blk.c", "    pieces_skip(&out, 0);\n", ""),
    Mutant("blk.c", "    while (last->len == 0) {", "    while (0) {"),
    Mutant("blk.c", "if (in->bytes < sizeof header)", "if (0)"),
]


def passes(tree: Path, tests: list[str]) -> bool:
    """Do these unit tests pass with the example in this tree?"""
    for test in tests:
        sources = [tree / EXAMPLE / name for name in PROGRAMS[test]]
        program = tree / test.removesuffix(".c")
        subprocess.run(
            [
                *COMPILE,
                "-I",
                tree / "tests/c",
                tree / "tests/c/vhost_user" / test,
                ROOT / "tests/c/vtest_main.c",
                *sources,
                ROOT / "lib/vring/error.c",
                "-o",
                program,
            ],
            check=True,
            timeout=PROGRAM,
        )
        try:
            done = subprocess.run([program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=MUTANT)
        except subprocess.TimeoutExpired:
            return False
        if done.returncode != 0:
            return False
    return True


def copy(tree: Path) -> Path:
    """The example and its unit tests, as they lie to each other."""
    shutil.copytree(ROOT / EXAMPLE, tree / EXAMPLE)
    shutil.copytree(ROOT / "tests/c/vhost_user", tree / "tests/c/vhost_user")
    return tree


def test_the_unit_tests_pass_on_the_example_as_it_is(tmp_path: Path) -> None:
    assert passes(copy(tmp_path / "tree"), list(PROGRAMS))


def test_every_broken_example_is_found_out(tmp_path: Path) -> None:
    def survives(numbered: tuple[int, Mutant]) -> bool:
        number, mutant = numbered
        tree = copy(tmp_path / str(number))
        mutant.check(tree / EXAMPLE)
        mutant.apply(tree / EXAMPLE)
        found_by = [test for test, sources in PROGRAMS.items() if mutant.file in sources]
        survived = passes(tree, found_by)
        shutil.rmtree(tree)
        return survived

    with ThreadPoolExecutor(2) as pool:
        survivors = [str(mutant) for mutant, alive in zip(BREAKS, pool.map(survives, enumerate(BREAKS))) if alive]
    if survivors:
        pytest.fail("nobody misses what these took out:\n" + "\n".join(survivors))
