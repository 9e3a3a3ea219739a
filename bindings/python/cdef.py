# SPDX-License-Identifier: MIT
"""
Writes the public headers as cffi wants them: declarations alone, so that Python has whatever C has, in the same commit.

    cdef.py OUTPUT INCLUDE_DIRECTORY FILE...

Comments and preprocessor lines go, except that an object-like macro becomes a constant for the compiler to fill in,
and so does each enumerator. Everything else stands as it is in the header, and the compiler checks it against the
header again: a layout or a prototype that this script garbled would not compile. What is in cffi's own language (a
file named .cdef) stands as it is.
"""

import re
import sys
from pathlib import Path


def expand(include: Path, header: Path, seen: set[Path]) -> str:
    """The text of a header with those of ours that it includes, each once, in front of what needs them."""
    if header in seen:
        return ""
    seen.add(header)
    text = re.sub(r"/\*.*?\*/", " ", header.read_text(), flags=re.DOTALL).replace("\\\n", " ")

    def included(match: re.Match[str]) -> str:
        near, far = header.parent / match[1], include / match[1]
        found = near if near.exists() else far
        return expand(include, found, seen) if found.exists() else ""

    return re.sub(r'^# *include ["<]([^">]+)[">]', included, text, flags=re.MULTILINE)


def declarations(text: str) -> str:
    """What cffi understands of it."""
    text = re.sub(r"^#ifdef __cplusplus\n.*?^#endif$", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^static inline [^;]*?\{.*?^\}$", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^[A-Z_]*STATIC_ASSERT\(.*?\);$", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(
        r"^#define ((?:VRING|BOUNCE)_\w+)[ \t]+(?=[(\dSU])[^\n]*$", r"@define \1 ...", text, flags=re.MULTILINE
    )
    text = re.sub(r"^#[^\n]*$", "", text, flags=re.MULTILINE).replace("@define", "#define")

    def enumeration(match: re.Match[str]) -> str:
        names = [name.split("=")[0].strip() for name in match[2].split(",") if name.strip()]
        return f"{match[1]}{{ {', '.join(names)}, ... }}"

    text = re.sub(r"(enum \w*\s*)\{(.*?)\}", enumeration, text, flags=re.DOTALL)
    return re.sub(r"\n\s*\n+", "\n", text)


if __name__ == "__main__":
    output, root = Path(sys.argv[1]), Path(sys.argv[2])
    once: set[Path] = set()
    headers = [root / name for name in sys.argv[3:] if not name.endswith(".cdef")]
    text = declarations("\n".join(expand(root, header, once) for header in headers))
    output.write_text(text + "".join(Path(name).read_text() for name in sys.argv[3:] if name.endswith(".cdef")))
