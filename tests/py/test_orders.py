# SPDX-License-Identifier: MIT
"""What the accessors of lib/vring/access.h compile to: an order costs what it must, and no order costs nothing.

Accesses are one instruction wherever they have no order; in particular no atomic swap, which gcc 12 makes of a relaxed
store for RISC-V. Each accessor is compiled as a function of its own, by every compiler and for every CPU that the tests
know, and what stands between its label and its end is compared.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from limits import PROGRAM

ROOT = Path(__file__).resolve().parents[2]

# The oldest clang that there is, as ./run picks it.
CLANG = next(filter(shutil.which, [f"clang-{version}" for version in (14, 15, 16, 17, 18, 19)]), "clang")

# Name of the target: compiler and its flags.
TARGETS = {
    "x86_64-gcc": ["gcc"],
    "x86_64-clang": [CLANG],
    "aarch64-gcc": ["aarch64-linux-gnu-gcc"],
    "aarch64-clang": [CLANG, "--target=aarch64-linux-gnu"],
    "riscv64-gcc": ["riscv64-linux-gnu-gcc"],
    "riscv64-clang": [CLANG, "--target=riscv64-linux-gnu", "-march=rv64gc"],
}
MICROCONTROLLERS = {
    "cortex-m0": ["arm-none-eabi-gcc", "-mcpu=cortex-m0", "-mthumb"],
    "cortex-m3": ["arm-none-eabi-gcc", "-mcpu=cortex-m3", "-mthumb"],
    "rv32imac": ["riscv64-unknown-elf-gcc", "-march=rv32imac", "-mabi=ilp32"],
}

SOURCE = """
#include "vring/access.h"
uint8_t load8(const uint8_t *p) { return access_load8(p); }
uint16_t load16(const uint16_t *p) { return access_load16(p); }
uint32_t load32(const uint32_t *p) { return access_load32(p); }
uint64_t load64(const uint64_t *p) { return access_load64(p); }
void store16(uint16_t *p, const uint16_t *v) { access_store16(p, *v); }
void store32(uint32_t *p, const uint32_t *v) { access_store32(p, *v); }
void store64(uint64_t *p, const uint64_t *v) { access_store64(p, *v); }
uint16_t acquire(const uint16_t *p) { return access_acquire16(p, false); }
void release(uint16_t *p, uint16_t v) { access_release16(p, v, false); }
void fence(void) { access_full_fence(false); }
uint16_t acquire_device(const uint16_t *p) { return access_acquire16(p, true); }
void release_device(uint16_t *p, uint16_t v) { access_release16(p, v, true); }
void fence_device(void) { access_full_fence(true); }
void fence_either(bool device) { access_full_fence(device); }
uint16_t ordered_load(const uint16_t *p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }
void ordered_store(uint16_t *p, const uint16_t *v) { __atomic_store_n(p, *v, __ATOMIC_SEQ_CST); }
"""
NO_ORDER = ("load8", "load16", "load32", "load64", "store16", "store32", "store64")
FENCE = re.compile(r"\b(mfence|lock|xchg\w*|dmb|dsb|fence|ldar\w*|stlr\w*|lda\w*|stl\w*|amo\w*|lr\.\w*|sc\.\w*)\b")


def functions(compiler: list[str], access: str, folder: Path) -> dict[str, list[str]]:
    """The instructions of each function of SOURCE, on this variant of the accessors."""
    source = folder / "accessors.c"
    source.write_text(SOURCE)
    command = [
        *compiler,
        "-std=c11",
        "-O2",
        "-ffreestanding",
        "-fno-asynchronous-unwind-tables",
        "-S",
        "-o",
        "-",
        f"-DVRING_ACCESS_{access}",
        f"-I{ROOT / 'lib'}",
        f"-I{ROOT / 'include'}",
        str(source),
    ]
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PROGRAM).stdout
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        line = re.sub(r"\s*(#|//|@|;).*", "", line).strip() if not line.startswith("\t.") else ""
        label = re.fullmatch(r"(\w+):", line)
        if label and not line.startswith((".", "L")):
            name = label[1]
            found[name] = []
        elif line and name and not re.fullmatch(r"[.\w$]+:|endbr64", line):
            found[name].append(re.sub(r"\s+", " ", line))
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_V104_an_access_without_order_is_one_plain_instruction(target: str, tmp_path: Path) -> None:
    plain = functions(TARGETS[target], "PLAIN", tmp_path)
    assert set(plain) >= {*NO_ORDER, "acquire", "fence_either", "ordered_store"}, (
        "the compiler's output was not understood"
    )
    for access in ("VOLATILE", "RELAXED", "ACQREL"):
        made = functions(TARGETS[target], access, tmp_path)
        for name in NO_ORDER:
            assert made[name] == plain[name], f"{access} {name}"
            assert not any(FENCE.search(instruction) for instruction in made[name]), f"{access} {name}"


@pytest.mark.parametrize("target", TARGETS)
def test_V104_the_comparison_sees_an_order(target: str, tmp_path: Path) -> None:
    """The negative control: what is ordered looks different, where the CPU makes a difference at all."""
    made = functions(TARGETS[target], "ACQREL", tmp_path)
    assert made["ordered_store"] != made["store16"]
    assert any(FENCE.search(instruction) for instruction in made["ordered_store"])
    if "x86_64" not in target:
        assert made["ordered_load"] != made["load16"]
        assert any(FENCE.search(instruction) for instruction in made["ordered_load"])


@pytest.mark.parametrize("target", TARGETS)
def test_V105_fences_hold_against_what_the_queue_says(target: str, tmp_path: Path) -> None:
    """ORDER_PLATFORM: a fence against devices; otherwise one against CPUs; chosen by the queue, at run time."""
    for access in ("VOLATILE", "RELAXED", "ACQREL"):
        made = functions(TARGETS[target], access, tmp_path)
        assert any(FENCE.search(instruction) for instruction in made["fence"])
        if "aarch64" in target:
            assert "dmb ish" in made["fence"] and "dmb sy" not in made["fence"]
            assert "dmb sy" in made["fence_device"] and "dmb ish" not in made["fence_device"]
            assert {"dmb sy", "dmb ish"} <= set(made["fence_either"])
        else:
            assert made["fence"] == made["fence_device"], "one fence orders CPUs and devices here"
    if "aarch64" in target:
        made = functions(TARGETS[target], "ACQREL", tmp_path)
        assert any(instruction.startswith("ldar") for instruction in made["acquire_device"]), "orders against anything"
        assert any(instruction.startswith("stlr") for instruction in made["release_device"])


@pytest.mark.parametrize("target", MICROCONTROLLERS)
def test_V106_a_single_cpu_keeps_its_barriers(target: str, tmp_path: Path) -> None:
    """The peer is a device, or a host with more CPUs: nothing is compiled out where there is one."""
    made = functions(MICROCONTROLLERS[target], "ACQREL", tmp_path)
    for name in ("acquire", "release", "fence", "acquire_device", "release_device", "fence_device"):
        assert any(FENCE.search(instruction) for instruction in made[name]), name
    if "cortex" in target:
        for name in ("acquire_device", "release_device", "fence_device"):
            assert "dmb sy" in made[name], name
