# SPDX-License-Identifier: MIT
"""The CPUs that the report compiles for: what each compiler is told, which model counts cycles, who emulates."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """
    One CPU.

    isa       the family by which instructions are read, see asm.py
    gcc       the cross compiler's command, or "" where Debian has none
    mca       (triple, CPU) of llvm-mca's model, or None where it has none
    unicorn   (architecture, mode) by the names of Unicorn without their prefix; None: qemu-user
    """

    name: str
    isa: str
    triple: str
    clang_flags: tuple[str, ...] = ()
    gcc: str = ""
    gcc_flags: tuple[str, ...] = ()
    mca: tuple[str, str] | None = None
    unicorn: tuple[str, str] | None = None
    # A clang older than this has no such target.
    clang_since: int = 0
    # Whether gcc's code calls its own library: there a jump through a table is a function of it.
    libgcc: bool = False
    note: str = ""


ARM_GCC = "arm-none-eabi-gcc"

TARGETS = (
    Target(
        "x86-64",
        "x86",
        "x86_64-linux-gnu",
        gcc="x86_64-linux-gnu-gcc",
        mca=("x86_64-linux-gnu", "skylake"),
        unicorn=("X86", "64"),
    ),
    Target(
        "i686",
        "x86",
        "i686-linux-gnu",
        gcc="i686-linux-gnu-gcc",
        mca=("i686-linux-gnu", "skylake"),
        unicorn=("X86", "32"),
    ),
    Target(
        "aarch64",
        "aarch64",
        "aarch64-linux-gnu",
        gcc="aarch64-linux-gnu-gcc",
        mca=("aarch64-linux-gnu", "neoverse-n1"),
        unicorn=("ARM64", "ARM"),
    ),
    Target(
        "armv7",
        "arm",
        "armv7-linux-gnueabihf",
        ("-marm",),
        ARM_GCC,
        ("-march=armv7-a", "-marm"),
        ("armv7-linux-gnueabihf", "cortex-a9"),
        ("ARM", "ARM"),
    ),
    Target(
        "cortex-m0",
        "arm",
        "thumbv6m-none-eabi",
        ("-mcpu=cortex-m0", "-Xclang", "-target-feature", "-Xclang", "+atomics-32", "-Wno-atomic-alignment"),
        ARM_GCC,
        ("-mcpu=cortex-m0", "-mthumb"),
        None,
        ("ARM", "THUMB"),
        clang_since=16,
        libgcc=True,
        note="clang needs -target-feature +atomics-32 there; without it an atomic access is a call of libatomic",
    ),
    Target(
        "cortex-m4",
        "arm",
        "thumbv7em-none-eabi",
        ("-mcpu=cortex-m4",),
        ARM_GCC,
        ("-mcpu=cortex-m4", "-mthumb"),
        ("thumbv7em-none-eabi", "cortex-m4"),
        ("ARM", "THUMB"),
    ),
    Target(
        "riscv64",
        "riscv",
        "riscv64-unknown-elf",
        ("-march=rv64gc", "-mcmodel=medany"),
        "riscv64-linux-gnu-gcc",
        ("-mcmodel=medany",),
        ("riscv64-unknown-elf", "sifive-u74"),
        ("RISCV", "RISCV64"),
    ),
    Target(
        "riscv32",
        "riscv",
        "riscv32-unknown-elf",
        ("-march=rv32imac",),
        "riscv64-unknown-elf-gcc",
        ("-march=rv32imac", "-mabi=ilp32"),
        ("riscv32-unknown-elf", "sifive-e76"),
        ("RISCV", "RISCV32"),
    ),
    Target(
        "ppc64le",
        "ppc",
        "powerpc64le-linux-gnu",
        (),
        "powerpc64-linux-gnu-gcc",
        ("-mlittle-endian", "-mabi=elfv2", "-mcpu=power8"),
        ("powerpc64le-linux-gnu", "pwr9"),
        None,
    ),
    Target("s390x", "s390", "s390x-linux-gnu", (), "s390x-linux-gnu-gcc", (), ("s390x-linux-gnu", "z14"), None),
    Target(
        "mips", "mips", "mips-linux-gnu", ("-mno-abicalls", "-G0"), "mips-linux-gnu-gcc", ("-mno-abicalls", "-G0"), None
    ),
    Target("loongarch64", "loongarch", "loongarch64-unknown-elf", ("-mno-lsx",), "", (), None, None, clang_since=16),
)

BIG_ENDIAN = {"s390x", "mips"}
BITS_32 = {"i686", "armv7", "cortex-m0", "cortex-m4", "riscv32", "mips"}
#: What ELF calls the CPUs of a family.
MACHINES = {
    "x86": ("EM_X86_64", "EM_386"),
    "aarch64": ("EM_AARCH64",),
    "arm": ("EM_ARM",),
    "riscv": ("EM_RISCV",),
    "ppc": ("EM_PPC64",),
    "s390": ("EM_S390",),
    "mips": ("EM_MIPS",),
    "loongarch": ("EM_LOONGARCH",),
}


def target(name: str) -> Target:
    """The target of that name. Raises KeyError with the names that there are."""
    for candidate in TARGETS:
        if candidate.name == name:
            return candidate
    raise KeyError(f"no target '{name}': there are {', '.join(t.name for t in TARGETS)}")
