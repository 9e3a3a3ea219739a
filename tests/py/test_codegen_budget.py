# SPDX-License-Identifier: MIT
"""What code and stack may need: recorded, and grown only for a reason that is given once."""

from __future__ import annotations

import dataclasses
import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from codegen_rig import FIXTURES, ROOT
from limits import PROGRAM
from vring.report import budget, build, races
from vring.report.__main__ import main


@pytest.fixture(scope="module")
def sizes(sources: build.Sources) -> list[budget.Entry]:
    return budget.measure(sources)


def test_code_and_stack_keep_within_the_budget(sizes: list[budget.Entry]) -> None:
    recorded = budget.read((FIXTURES / "budget.csv").read_text())
    assert {entry.function for entry in sizes} == {entry.function for entry in recorded}, (
        "python -m vring.report budget --update"
    )
    if not {entry.key for entry in sizes} & {entry.key for entry in recorded}:
        pytest.skip("the budget was recorded with another version of gcc")
    complaints = [budget.complaint(*both) for both in budget.grown(recorded, sizes)]
    assert not complaints, "\n".join(complaints)


def test_no_verb_needs_more_stack_than_is_promised(sizes: list[budget.Entry]) -> None:
    page = (ROOT / "docs" / "codegen.md").read_text()
    [(promised, on_s390x)] = re.findall(r"No verb needs more than (\d+) bytes of stack, or (\d+) on s390x", page)
    for entry in sizes:
        assert entry.stack <= int(on_s390x if entry.target == "s390x" else promised), entry


SILENT = "# Changelog\n\n## Unreleased\n\n- `split_driver` is faster.\n"
CELL = budget.Entry("x86-64", "gcc 12", "-O2", "ALL", "split_driver", "", 1000, 100)
VERB = dataclasses.replace(CELL, function="vring_split_driver_publish", bytes=100)


def sized(entry: budget.Entry, held: int) -> budget.Entry:
    return dataclasses.replace(entry, stack=held) if entry.function else dataclasses.replace(entry, bytes=held)


def test_growth_wants_a_reason() -> None:
    assert not budget.grown([CELL, VERB], [sized(CELL, 1050), sized(VERB, 116)])
    large = [sized(CELL, 1051), sized(VERB, 117)]
    assert len(budget.grown([CELL, VERB], large)) == 2
    said = budget.record([CELL, VERB], large, SILENT)[1]
    assert ["1000 -> 1051 bytes by gcc 12" in said[0], "100 -> 117 bytes of stack" in said[1]] == [True, True]
    assert len(budget.record([CELL, VERB], large, SILENT + "- Size: legacy rings\n  in `split_driver`.\n")[1]) == 1
    assert not budget.record(large[:1], large[:1], SILENT)[1]
    earlier = SILENT + "\n## 0.1\n\n- Size: `split_driver` has legacy rings.\n"
    assert len(budget.record([CELL], large[:1], earlier)[1]) == 1, "a reason of an earlier release"


def test_a_reason_excuses_once() -> None:
    """What grows again wants another one, however the first is rewrapped and whatever it names besides."""
    for entry, first, second, what in ((CELL, 1200, 1300, "Size"), (VERB, 300, 400, "Stack")):
        name = entry.function or entry.cell
        reason = SILENT + f"- {what}: `{name}`: batches have loops of their own.\n"
        [written], said = budget.record([entry], [sized(entry, first)], reason)
        assert not said and (written.held, written.since) == (first, first) and written.reason
        again = budget.read(budget.write([written]))
        assert again == [written] and not budget.grown(again, [sized(entry, first)])
        for unrenewed in (
            reason,
            reason.replace("loops of", "loops\n  of"),
            reason.replace(":", ": `packed_driver`,", 1),
        ):
            [complaint] = budget.record(again, [sized(entry, second)], unrenewed)[1]
            assert "other than the one that was spent" in complaint
        [written], said = budget.record(again, [sized(entry, second)], reason + f"- {what}: `{name}`: tables, too.\n")
        assert not said and written.since == second and written.reason != again[0].reason


def test_a_reason_is_spent_on_what_it_excused_alone() -> None:
    """The same entry may name another cell later."""
    reason = SILENT + "- Size: `split_driver`: batches have loops of their own.\n"
    other = dataclasses.replace(CELL, cell="packed_driver")
    written, said = budget.record([CELL, other], [sized(CELL, 1200), other], reason)
    assert not said and [entry.reason != "" for entry in written] == [True, False]
    assert not budget.record(
        written, [sized(CELL, 1200), sized(other, 1200)], reason.replace(":", ": `packed_driver`,", 1)
    )[1]


def test_small_steps_want_a_reason_too() -> None:
    """Each is within the tolerance of the one before; and who has shrunk may not grow back in silence."""
    recorded = [CELL]
    for held in (1040, 1050):
        recorded, said = budget.record(recorded, [sized(CELL, held)], SILENT)
        assert not said and (recorded[0].held, recorded[0].since) == (held, 1000)
    assert "(since a reason was last given: 1000 -> 1060)" in budget.record(recorded, [sized(CELL, 1060)], SILENT)[1][0]
    smaller, said = budget.record(recorded, [sized(CELL, 900)], SILENT)
    assert not said and len(budget.grown(smaller, [sized(CELL, 1000)])) == 1


def test_growth_with_a_reason_is_growth_until_it_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --update the command says what has grown; with it, it wants the reason, writes, and is content."""
    for name in ("lib/vring/access.h", "bench/codegen/places.c", "docs/codegen.md"):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, tmp_path / name)
    budget_csv, changelog = tmp_path / "bench/codegen/budget.csv", tmp_path / "CHANGELOG.md"
    before = budget.read((FIXTURES / "budget.csv").read_text())
    [cell] = [entry for entry in before if entry.key == dataclasses.replace(CELL, compiler=entry.compiler).key]
    monkeypatch.setattr(
        "vring.report.budget.measure", lambda _: [sized(e, 2 * e.bytes) if e == cell else e for e in before]
    )
    budget_csv.write_text(budget.write(before))

    def command(*options: str) -> bool:
        return main(["budget", "--source", str(tmp_path), "--out", str(tmp_path), *options]) == 0

    changelog.write_text(SILENT)
    assert not command() and not command("--update")
    assert capsys.readouterr().out.count(f"split_driver: {cell.bytes} -> {2 * cell.bytes} bytes") == 2
    assert budget_csv.read_text() == budget.write(before), "nothing is written without a reason"
    changelog.write_text(SILENT + "- Size: `split_driver`: a test.\n")
    assert not command() and command("--update") and command()
    [written] = [entry for entry in budget.read(budget_csv.read_text()) if entry.key == cell.key]
    assert (written.bytes, written.since, written.reason != "") == (2 * cell.bytes, 2 * cell.bytes, True)
    assert f"| split_driver | {2 * cell.bytes} |" in (tmp_path / "docs/codegen.md").read_text()


def test_stack_is_that_of_the_deepest_call(tmp_path: Path) -> None:
    graph = tmp_path / "graph.ci"
    nodes = [("a", 16), ("b", 32), ("file.c:c", 8)]
    text = "".join(f'node: {{ title: "{n}" label: "{n}\\nx.c:1:1\\n{size} bytes (static)" }}\n' for n, size in nodes)
    edges = [("a", "file.c:c"), ("a", "b"), ("b", "memcpy")]
    graph.write_text(text + "".join(f'edge: {{ sourcename: "{x}" targetname: "{y}" label: "" }}\n' for x, y in edges))
    assert budget.stack_depths([graph]) == {"a": 48, "b": 32, "c": 8}
    graph.write_text(graph.read_text() + 'edge: { sourcename: "b" targetname: "a" label: "" }\n')
    with pytest.raises(build.ReportError, match="calls itself"):
        budget.stack_depths([graph])


def stores_of_bytes(lib: Path, source: str) -> int:
    """In a driver's object for a CPU that is not known to take misaligned accesses."""
    asked = ["riscv64-linux-gnu-gcc", "-std=c11", "-ffreestanding", "-O2", "-S", "-o", "-", f"-I{ROOT / 'include'}"]
    done = subprocess.run([*asked, lib / source], check=True, timeout=PROGRAM, capture_output=True, text=True)
    assert "\tsd\t" in done.stdout
    return len(re.findall(r"^\tsb\t", done.stdout, re.M))


@pytest.mark.parametrize("source", ["split_give.c", "packed_give.c"])
def test_what_is_written_as_one_is_one_store_on_every_cpu(source: str, tmp_path: Path) -> None:
    """No member of a slot is a byte; control: where the members' alignment is not told, they are stored as bytes."""
    assert stores_of_bytes(ROOT / "lib" / "vring", source) == 0
    lib = shutil.copytree(ROOT / "lib" / "vring", tmp_path / "vring")
    port = (lib / "port.h").read_text()
    (lib / "port.h").write_text(port.replace("aligned(_Alignof(type))", "aligned(1)"))
    assert stores_of_bytes(lib, source) > 0


@pytest.mark.parametrize("level", ["-O2", "-Os"])
@pytest.mark.parametrize("compiler", races.host_compilers(), ids=lambda compiler: compiler.column)
def test_a_full_fence_is_the_fast_one(compiler: build.Compiler, level: str, tmp_path: Path) -> None:
    """With every compiler for x86; control: clang's own is the slow one, and so is gcc's where code has to be small."""
    if platform.machine() != "x86_64":
        pytest.skip("there is one kind of full fence elsewhere")
    lib = shutil.copytree(ROOT / "lib" / "vring", tmp_path / "vring")
    asked = [*compiler.command, "-std=c11", "-ffreestanding", level, "-S", "-o", "-", f"-I{ROOT / 'include'}"]

    def fences() -> list[str]:
        done = subprocess.run(
            [*asked, lib / "split_driver.c"], check=True, timeout=PROGRAM, capture_output=True, text=True
        )
        return re.findall(r"^\s*(mfence|lock)\b", done.stdout, re.M)

    assert set(fences()) == {"lock"}
    port = (lib / "port.h").read_text()
    (lib / "port.h").write_text(
        port.replace('#if defined(__x86_64__)\n    __asm__ __volatile__("lock', '#if 0\n    __asm__("lock')
    )
    assert set(fences()) == {"lock" if (compiler.family, level) == ("gcc", "-O2") else "mfence"}


def test_the_documented_sizes_are_the_recorded_ones() -> None:
    page = (ROOT / "docs" / "codegen.md").read_text()
    assert page == budget.replace_table(page, budget.read((FIXTURES / "budget.csv").read_text()))
