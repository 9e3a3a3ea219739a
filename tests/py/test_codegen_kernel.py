# SPDX-License-Identifier: MIT
"""Linux' own virtio_ring.c in the codegen report, with and without its accesses marked."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import textwrap
from pathlib import Path

import pytest

from codegen_rig import ROOT, report
from vring.report import build, targets
from vring.report.request import Request
from vring.report.kernel import FUNCTIONS, WHOLE, kernel_rows

#: A tree of the kernel's shape, with as many reads of what a device writes as `--kernel` wants to find, and one that it
#: is to leave alone. Ours; no line of it is Linux'.
STAND_IN = {
    "include/linux/kconfig.h": "",
    "tools/virtio/linux/kernel.h": """
        #include <stdbool.h>
        #include <stddef.h>
        #include <stdint.h>
        typedef uint16_t u16;
        typedef uint32_t u32;
        #define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
    """,
    "drivers/virtio/virtio_ring.c": """
        struct desc { u16 flags, id; u32 len; };
        struct used_elem { u32 id, len; };
        struct used { u16 flags, idx; struct used_elem ring[256]; };
        struct vring { struct used *used; u16 *avail_event; struct desc *desc; };
        struct virtqueue {
            struct { struct vring vring; } split;
            struct { struct { struct desc *desc; u32 *device; } vring; } packed;
            u16 last, shadow;
        };
        static inline u16 virtio16_to_cpu(const struct virtqueue *vq, u16 v) { (void)vq; return v; }
        static inline u32 virtio32_to_cpu(const struct virtqueue *vq, u32 v) { (void)vq; return v; }
        static inline u16 le16_to_cpu(u16 v) { return v; }
        bool virtqueue_kick_prepare(struct virtqueue *vq)
        {
            if (vq->split.vring.used->flags & 1)
                return false;
            return virtio16_to_cpu(vq, *vq->split.vring.avail_event) == virtio16_to_cpu(vq, vq->shadow);
        }
        static inline bool kick_prepare_packed(struct virtqueue *vq)
        {
            union { struct { u16 off_wrap, flags; }; u32 u32; } snapshot;

            snapshot.u32 = *(u32 *)vq->packed.vring.device;
            return le16_to_cpu(snapshot.flags) == 2;
        }
        void virtio_rmb(void)
        {
            __asm__ __volatile__("" ::: "memory");
        }
        void virtio_wmb(void) __attribute__((alias("virtio_rmb")));
        bool virtqueue_kick_prepare_any(struct virtqueue *vq)
        {
            return kick_prepare_packed(vq);
        }
        u32 virtqueue_get_buf_ctx(struct virtqueue *vq, u32 *len)
        {
            *len = virtio32_to_cpu(vq, vq->split.vring.used->ring[vq->last].len);
            return virtio32_to_cpu(vq, vq->split.vring.used->ring[vq->last].id);
        }
        bool virtqueue_poll(struct virtqueue *vq, u16 old)
        {
            return virtio16_to_cpu(vq, vq->split.vring.used->idx) != old;
        }
        bool virtqueue_enable_cb_delayed(struct virtqueue *vq)
        {
            return virtio16_to_cpu(vq, vq->split.vring.used->idx) == vq->last ||
                (le16_to_cpu(vq->packed.vring.desc[vq->last].flags) & 1);
        }
        u16 virtqueue_enable_cb_prepare(struct virtqueue *vq)
        {
            return le16_to_cpu(vq->packed.vring.desc[vq->last].id);
        }
    """,
}


def kernel(tree: Path, out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    only = ["--target", "aarch64", "--no-verbs", "--no-races", "--optimisation=-O2"]
    return report("codegen", "--kernel", tree, "--out", out, *only, *arguments, cwd=out.parent)


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kernel")
    for name, text in STAND_IN.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text))
    return folder


def test_the_kernel_is_compared_marked_and_unmarked(stand_in: Path, tmp_path: Path) -> None:
    done = kernel(stand_in, tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    marked = (tmp_path / "out/kernel/virtio_ring.VOLATILE.c").read_text()
    assert marked.count("READ_ONCE(") == 9 and "READ_ONCE(vq->shadow)" not in marked
    assert "READ_ONCE(vq->split.vring.used->flags) & 1" in marked
    assert (tmp_path / "out/kernel/virtio_ring.PLAIN.c").read_text() == (
        stand_in / "drivers/virtio/virtio_ring.c"
    ).read_text()
    with (tmp_path / "out/codegen.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["suite"] == "kernel"]
    assert not [row["error"] for row in rows if row["error"]]
    columns = {compiler.column for compiler in build.compilers(targets.target("aarch64"))}
    whole = {
        (r["column"], r["optimisation"], r["access"]): int(r["bytes"])
        for r in rows
        if r["function"].startswith("virtio_ring.c")
    }
    assert whole.keys() == {
        (column, "-O2" + lto, access)
        for column in columns
        for lto in ("", " CONFIG_LTO")
        for access in ("PLAIN", "VOLATILE")
    }
    assert "agree with `nm`, but that code with two names is counted once" in (ROOT / "docs/codegen.md").read_text()
    for (column, level, access), size in whole.items():
        made = tmp_path / "out/kernel" / f"{access}.aarch64.{column}.{level}.o".replace(" ", "_")
        lines = subprocess.run(["nm", "-S", made], check=True, capture_output=True, text=True).stdout.splitlines()
        sizes = {line.split()[0]: int(line.split()[1], 16) for line in lines if re.search(r" [tT] \w+$", line)}
        assert sum(sizes.values()) == size and len(sizes) < sum(" T " in line for line in lines)
    data = json.loads((tmp_path / "out/codegen.json").read_text())["rows"]
    polls = {
        (r["column"], r["optimisation"], r["access"]): "\n".join(r["assembly"])
        for r in data
        if r["function"] == "virtqueue_poll"
    }
    for (_, level, access), code in polls.items():
        assert bool(re.search(r"\blda(p)?rh\b", code)) == (level.endswith("LTO") and access == "VOLATILE"), code
    grown = [whole[column, "-O2", "VOLATILE"] - whole[column, "-O2", "PLAIN"] for column in columns]
    assert f"changes by {min(grown):+d} to" in done.stdout and "CONFIG_LTO on AArch64" in done.stdout
    assert "virtio_ring.c of Debian’s linux-source" in (tmp_path / "out/codegen.html").read_text()


def test_linux_own_driver_is_compared() -> None:
    """The real file, of Debian's package: unpacked once for all runs, since 138 megabytes of xz take 11 s."""
    output = ROOT / "build" / "linux-source"
    columns = tuple(
        dict.fromkeys(
            compiler.column
            for where in ("x86-64", "aarch64")
            for compiler in {c.family: c for c in build.compilers(targets.target(where))}.values()
        )
    )
    assert {column.split()[0] for column in columns} == {"gcc", "clang"}
    request = Request(output=output, columns=columns, optimisations=("-O2",), kernel="auto")
    rows = kernel_rows(request, build.find_sources(output, ROOT))
    assert not [row.error for row in rows if row.error]
    builds = {(r.target, r.column, r.optimisation) for r in rows}
    assert len(builds) == 2 * 3, "two compilers; x86-64, AArch64, and that with CONFIG_LTO"
    bytes_of = {(r.target, r.column, r.optimisation, r.access, r.function): r.bytes for r in rows}
    for where in builds:
        lto = where[2].endswith("CONFIG_LTO")
        more = bytes_of[(*where, "VOLATILE", WHOLE)] - bytes_of[(*where, "PLAIN", WHOLE)]
        assert 7000 < bytes_of[(*where, "PLAIN", WHOLE)] < 13000 and (20 < more < 100 if lto else -10 < more < 30), (
            where,
            more,
        )
        for function in FUNCTIONS:
            assert bytes_of[(*where, "VOLATILE", function)] > 80, (where, function)
    # What CONFIG_LTO is about: a marked read is an acquire, where it was a plain load.
    for row in rows:
        if row.function == "virtqueue_poll" and row.target == "aarch64":
            acquires = sum(bool(re.match(r"lda(p?)rh\b", text)) for _, text in row.assembly)
            assert acquires == (2 if row.optimisation.endswith("LTO") and row.access == "VOLATILE" else 0), row.assembly
    marked = (output / "kernel" / "virtio_ring.VOLATILE.c").read_text()
    assert marked.count("READ_ONCE(") >= (output / "kernel" / "virtio_ring.PLAIN.c").read_text().count("READ_ONCE(") + 7


def test_a_kernel_that_is_none_or_another_is_told(stand_in: Path, tmp_path: Path) -> None:
    (tmp_path / "other/drivers/virtio").mkdir(parents=True)
    (tmp_path / "other/drivers/virtio/virtio_ring.c").write_text("int virtqueue_poll(void) { return 0; }\n")
    for tree, complaint in (("other", "in 0 places that are known"), ("none", "holds no drivers/virtio/virtio_ring.c")):
        done = kernel(tmp_path / tree, tmp_path / "out")
        assert done.returncode == 1 and complaint in done.stderr and "Traceback" not in done.stderr


def test_the_kernel_is_compiled_by_whom_and_for_what_was_asked(stand_in: Path, tmp_path: Path) -> None:
    """A compiler of the user's own compiles Linux, too, and no other does; of a target that is none there is no silence."""
    sources = build.find_sources(tmp_path, ROOT)
    [found, *_] = build.compilers(targets.target("x86-64"), ["gcc"])
    mine = Request(output=tmp_path, cc=" ".join(found.command), optimisations=("-O3",), kernel=str(stand_in))
    rows = kernel_rows(mine, sources)
    assert {(r.target, r.compiler, r.optimisation) for r in rows} == {("x86-64", found.name, "-O3")}
    assert not [row.error for row in rows if row.error]
    with pytest.raises(build.ReportError, match="--kernel is for x86-64 and aarch64, and neither was asked for"):
        kernel_rows(Request(output=tmp_path, targets=("mips",), kernel=str(stand_in)), sources)
    foreign = Request(output=tmp_path, cc="x86_64-linux-gnu-gcc", targets=("aarch64",), kernel=str(stand_in))
    wrong = kernel_rows(foreign, sources)
    plain = [row for row in wrong if row.optimisation in ("-O2", "-Os")]
    assert plain and all("another CPU than aarch64 (EM_X86_64" in row.error for row in plain)
