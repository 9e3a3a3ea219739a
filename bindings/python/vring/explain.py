# SPDX-License-Identifier: MIT
"""``python -m vring explain``: why a pool answers as it does, drawn beside what it would have answered wrongly."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from vring import arguments
from vring.bounce import BouncePool
from vring.errors import VringError
from vring.inspect.slots import size_text
from vring.inspect.svg import Sheet
from vring.mapping import Direction, NoRoom
from vring.memory import GuestMemory
from vring.pool_model import Geometry, Place, PoolModel, PreFixSearch, Request

__all__ = ["Answer", "Question", "add_parser", "answer_before_the_fix", "answer_of_the_library", "draw_stride"]


@dataclass(frozen=True)
class Question:
    """
    A pool, and a number of equal requests to it, by default those of the mail thread of February 2024 about Linux'
    swiotlb. ``base`` is the device address of the pool, ``cursor`` the slot at which it starts to look. Sizes in bytes;
    ``alloc_align`` and ``min_align`` are powers of two, ``orig`` is the address that the data has where it comes from.
    """

    slots: int = 7168
    slot_size: int = 2048
    base: int = 0x97FF0000
    cursor: int = 1645
    count: int = 3
    size: int = 0x2000
    alloc_align: int = 4096
    min_align: int = 1
    orig: int = 0

    def __post_init__(self) -> None:
        for name in ("slots", "slot_size", "count", "size", "alloc_align", "min_align"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")
        for name in ("slot_size", "alloc_align", "min_align"):
            if getattr(self, name) & (getattr(self, name) - 1):
                raise ValueError(f"{name} must be a power of two, not {getattr(self, name)}")
        if self.count > 64:
            raise ValueError(f"at most 64 requests fit into a picture, not {self.count}")

    @property
    def stride(self) -> int:
        """Slots from one place that is looked at to the next: as far as alignment goes, but at least one."""
        return max(self.alloc_align, self.min_align, self.slot_size) // self.slot_size


@dataclass(frozen=True)
class Answer:
    """What one request got: the first slot, how many, and the address of the data; and what is wrong with that."""

    slot: int
    slots: int
    addr: int
    fault: str

    @property
    def end(self) -> int:
        """The slot behind it."""
        return self.slot + self.slots


def _judge(question: Question, slot: int, slots: int, addr: int) -> Answer:
    start = question.base + slot * question.slot_size
    fault = ""
    if start % question.alloc_align:
        fault = f"{start % question.alloc_align:#x} past a multiple of {question.alloc_align:#x}"
    elif (addr ^ question.orig) & (question.min_align - 1):
        fault = f"low bits {addr & (question.min_align - 1):#x}, not {question.orig & (question.min_align - 1):#x}"
    return Answer(slot, slots, addr, fault)


def answer_of_the_library(question: Question) -> list[Answer]:
    """What libbounce answers, to as many of the requests as find room. Raises CallerError for a pool that cannot be."""
    memory = GuestMemory(question.slots * question.slot_size, question.base)
    pool = BouncePool(
        memory, slots=question.slots, slot_size=question.slot_size, cursor=question.cursor, page_size=4096
    )
    answers = []
    for _ in range(question.count):
        mapping = pool.map(
            bytearray(question.size),
            Direction.BIDIRECTIONAL,
            orig_addr=question.orig,
            alloc_align_mask=question.alloc_align - 1,
            min_align_mask=question.min_align - 1,
        )
        if isinstance(mapping, NoRoom):
            break
        answers.append(_judge(question, mapping.info.slot, mapping.info.slots, mapping.addr))
    return answers


def answer_before_the_fix(question: Question) -> list[Answer]:
    """
    What a search by the rule before the fix answers: alignment is asked for only where the original has an address.
    """
    geometry = Geometry(question.base, question.slots, question.slot_size, cursor=question.cursor)
    model = PoolModel(geometry, PreFixSearch)
    request = Request(
        question.size,
        orig_addr=question.orig,
        alloc_align_mask=question.alloc_align - 1,
        min_align_mask=question.min_align - 1,
    )
    places = [model.map(request) for _ in range(question.count)]
    return [_judge(question, place.slot, place.slots, place.addr) for place in places if isinstance(place, Place)]


# ---------------------------------------------------------------------------------------------------------- drawing ---

LEFT, WIDTH = 28, 980
BAR, ROW, FIRST_ROW = 34, 142, 186  # pixels: height of a strip, from one to the next, and the top of the first


class _Strips:
    """One drawing in the making: the sheet, and where a slot is on it."""

    def __init__(self, question: Question, answers: list[Answer]) -> None:
        self.question = question
        shown = [question.cursor, *(answer.slot for answer in answers)]
        ends = [question.cursor + 1, *(answer.end for answer in answers)]
        self.first = max(min(shown) - 3, 0)
        self.end = min(max(ends) + 3, question.slots)
        self.cell = (WIDTH - 2 * LEFT) / (self.end - self.first)
        self.sheet = Sheet(
            WIDTH,
            FIRST_ROW + ROW + BAR + 44,
            "The same requests with and without the stride",
            "Slots from left to right; each strip is one rule; misaligned allocations are red.",
        )

    def x(self, slot: int) -> float:
        return LEFT + (slot - self.first) * self.cell


def draw_stride(question: Question, before: list[Answer], after: list[Answer]) -> str:
    """The picture of what two rules answered, as the text of an SVG file."""
    strips = _Strips(question, before + after)
    _heading(strips)
    _strip(strips, FIRST_ROW, "before the fix: alignment asked for only where the original has an address", before)
    rule = f"libbounce: stride = max(alloc_align, min_align) = {strips.question.stride} slots, and it starts aligned"
    _strip(strips, FIRST_ROW + ROW, rule, after)
    return str(strips.sheet)


def _heading(strips: _Strips) -> None:
    sheet, question = strips.sheet, strips.question
    sheet.text(LEFT, 36, f"{question.count} times {size_text(question.size)}", size=18, bold=True)
    wishes = [f"to start at a multiple of {question.alloc_align:#x}"] if question.alloc_align > 1 else []
    if question.min_align > 1:
        wishes.append(f"to keep the bits below {question.min_align:#x} of its own address, {question.orig:#x}")
    pool = f"from a pool of {question.slots} slots of {size_text(question.slot_size)} at {question.base:#x}"
    sheet.text(LEFT, 56, f"each {' and '.join(wishes) or 'wherever there is room'},", kind="soft")
    sheet.text(LEFT, 73, f"{pool}, whose cursor stands at slot {question.cursor}", kind="soft")
    x = float(LEFT)
    for colour, opacity, label in (
        ("green", 1.0, "aligned as asked"),
        ("red", 1.0, "misaligned"),
        ("amber", 0.45, "passed over, to be aligned"),
    ):
        sheet.rect(x, 94, 12, 12, colour=colour, opacity=opacity, round=2.5)
        sheet.text(x + 18, 104, label, size=11.5)
        x += 40 + 6.6 * len(label)
    sheet.path(f"M{x + 6:.2f} 94v12", kind="page", width=1.8)
    sheet.text(x + 18, 104, f"multiples of {question.stride * question.slot_size:#x}", size=11.5)


def _strip(strips: _Strips, top: float, rule: str, answers: list[Answer]) -> None:
    sheet, question, cell = strips.sheet, strips.question, strips.cell
    sheet.text(LEFT, top - 36, rule, size=12.5, bold=True)
    wrong, waste = sum(bool(answer.fault) for answer in answers), _waste(question, answers)
    result = (
        f"{wrong} of {len(answers)} misaligned"
        if wrong
        else f"all aligned, {waste} slot{'s' * (waste != 1)} passed over"
    )
    sheet.text(WIDTH - LEFT, top - 36, result, size=11.5, anchor="end", kind="alarm" if wrong else "ink")
    sheet.rect(LEFT, top, cell * (strips.end - strips.first), BAR, kind="cell")
    slots = range(strips.first, strips.end)
    sheet.path("".join(f"M{strips.x(slot):.2f} {top}v{BAR}" for slot in slots[1:]), kind="gap")
    _passed_over(strips, top, answers)
    for answer in answers:
        x, width = strips.x(answer.slot), answer.slots * cell
        sheet.rect(
            x + 1, top, width - 2, BAR, colour="red" if answer.fault else "green", round=3,
            tip=f"slots {answer.slot} to {answer.end - 1} at {answer.addr:#x}: {answer.fault or 'aligned'}",
        )  # fmt: skip
        if width > 78:
            sheet.text(
                x + width / 2, top + 21.5, f"{answer.addr:#x}", size=11.5, kind="onhue", anchor="middle", bold=True
            )
        if answer.fault and width > 6.2 * len(answer.fault):
            sheet.text(x + width / 2, top + BAR + 30, answer.fault, size=10, kind="alarm", anchor="middle")
    every = max(1, -(-30 // int(max(cell, 1))))
    for slot in slots[::every]:
        sheet.text(strips.x(slot) + cell / 2, top + BAR + 14, str(slot), size=9, kind="soft", anchor="middle")
    align = question.stride * question.slot_size
    pages = [slot for slot in slots if (question.base + slot * question.slot_size) % align == 0]
    sheet.path("".join(f"M{strips.x(slot):.2f} {top - 7}v6m0 {BAR + 2}v5" for slot in pages), kind="page", width=1.8)
    x = strips.x(question.cursor)
    sheet.path(f"M{x:.2f} {top - 1}l-4.5 -8h9z", kind="ink", filled=True)
    sheet.text(x, top - 13, f"cursor {question.cursor}", size=10, anchor="middle")


def _waste(question: Question, answers: list[Answer]) -> int:
    """Slots passed over between the cursor and the last answer, where the search did not have to turn back."""
    at, passed = question.cursor, 0
    for answer in answers:
        passed, at = passed + max(answer.slot - at, 0), answer.end
    return passed


def _passed_over(strips: _Strips, top: float, answers: list[Answer]) -> None:
    """From where the search stood to what it found, as far as that lies ahead."""
    at = strips.question.cursor
    for answer in answers:
        if at < answer.slot:
            strips.sheet.rect(strips.x(at) + 1, top, (answer.slot - at) * strips.cell - 2, BAR, colour="amber",
                              opacity=0.45, round=3, tip=f"{answer.slot - at} slots passed over")  # fmt: skip
        at = answer.end


# ---------------------------------------------------------------------------------------------------------- command ---


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``explain`` to the commands of ``python -m vring``."""
    explain = commands.add_parser("explain", help="draw why a bounce pool answers as it does")
    topics = explain.add_subparsers(dest="topic", required=True, metavar="stride")
    text = (
        "the same requests by the rule of libbounce and by that of Linux before February 2024; its own case unless told"
    )
    parser = topics.add_parser("stride", help=text, description=text)
    default = Question()
    for name, what in (
        ("slots", "slots of the pool"),
        ("slot-size", "bytes of a slot"),
        ("base", "device address of the pool"),
        ("cursor", "slot at which it starts to look"),
        ("count", "requests"),
        ("size", "bytes of each"),
        ("alloc-align", "each is to start at a multiple of this"),
        ("min-align", "each is to keep the bits of --orig below this"),
        ("orig", "address of the data where it comes from"),
    ):
        value = getattr(default, name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=arguments.size, default=value, help=f"{what}; {value:#x} unless told")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the picture there, as SVG")
    parser.set_defaults(run=_explain, errors=(VringError, ValueError, MemoryError, OSError))


def _explain(options: argparse.Namespace) -> None:
    question = Question(**{name: getattr(options, name) for name in Question.__dataclass_fields__})
    before, after = answer_before_the_fix(question), answer_of_the_library(question)
    print(f"{question.count} requests of {size_text(question.size)}, stride {question.stride} slots")
    for rule, answers in (("before the fix", before), ("libbounce", after)):
        for answer in answers:
            print(
                f"  {rule:<14}  slots {answer.slot} to {answer.end - 1}  {answer.addr:#x}  {answer.fault or 'aligned'}"
            )
        if len(answers) < question.count:
            print(f"  {rule:<14}  no room for {question.count - len(answers)} more")
    if options.output:
        options.output.write_text(draw_stride(question, before, after), "utf-8")
        print(options.output)
