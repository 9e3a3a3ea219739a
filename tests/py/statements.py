# SPDX-License-Identifier: MIT
"""Which test stands for which numbered requirement. ``python tests/py/statements.py`` writes docs/statements.md.

Requirements have numbers: V1 to V108 (what implementers of virtqueues get wrong), C001 to C306 (what hostile peers and
careless callers do), S1 to S43 (what bounce pools got wrong). A test carries the numbers it stands for in its name.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs" / "statements.md"

NUMBERS = [f"V{n}" for n in range(1, 109)] + [f"C{n:03}" for n in range(1, 307)] + [f"S{n}" for n in range(1, 44)]

# A test's name, in C or in Python.
NAME = re.compile(r"^(?:(?:[A-Z]+_)*TEST\((\w+)\)|INITS_REFUSE\(\w+, (\w+),|\s*def (test_\w+)\()", re.M)


def tests() -> dict[str, list[tuple[str, str]]]:
    """For each number the tests that carry it, as (file, name)."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for path in sorted([*(ROOT / "tests" / "c").rglob("*.c"), *(ROOT / "tests" / "py").glob("test_*.py")]):
        for match in NAME.finditer(path.read_text()):
            name = next(filter(None, match.groups()))
            for number in re.findall(r"(?<![A-Za-z0-9])(V\d{1,3}|C\d{3}|S\d{1,2})(?=_)", name.replace("_", "__")):
                found[number].append((path.relative_to(ROOT).as_posix(), name))
    return found


def without_a_test() -> list[str]:
    """The numbers that no test carries. Another test says that there are none."""
    found = tests()
    return [number for number in NUMBERS if number not in found]


def table() -> str:
    """docs/statements.md as it should be."""
    found = tests()
    unknown = sorted(set(found) - set(NUMBERS))
    if unknown:
        raise ValueError(f"no requirement has these numbers: {', '.join(unknown)}")
    missing = without_a_test()
    lines = [
        "# Requirements and their tests",
        "",
        "Made by `python tests/py/statements.py` from the names of the tests; "
        "`tests/py/test_statements.py` holds it against them.",
        "",
        f"{len(NUMBERS) - len(missing)} of {len(NUMBERS)} numbers have a test.",
        "",
        "| number | test |",
        "|---|---|",
    ]
    for number in NUMBERS:
        for file, name in found.get(number, []):
            lines.append(f"| {number} | [{name}](../{file}) |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TABLE.write_text(table())
    sys.stdout.write(f"{TABLE.relative_to(ROOT)}\n")
