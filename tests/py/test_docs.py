# SPDX-License-Identifier: MIT
"""What the documents say is so: every block of code in them runs, and every table agrees with the sources."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

from limits import PROGRAM

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
COMPILE = [
    "gcc",
    "-std=c11",
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wconversion",
    "-Wshadow",
    "-Werror",
    f"-I{ROOT / 'include'}",
]

# What the tree begins with; anything else was left there by mistake.
TOP = set(
    ".ci .gitignore CHANGELOG.md CMakeLists.txt CMakePresets.json LICENSE README.md SECURITY.md bench bindings cmake docs"
    " examples include lib pyproject.toml run tests".split()
)

# Shell commands that the documents name and who runs them. A command that is not listed here fails the test below.
COMMANDS = {
    "./run bench": "test_bench.py runs the programs and the report that it runs, for a shorter time",
    "./run bench peers": "the same, with builds of our own in the place of other people's",
    "python bench/python_calls.py docs/python.md": "test_bench.py measures a copy of that page anew",
    "./run codegen": "test_codegen_page.py runs what it runs, for fewer targets",
    "./run codegen --kernel /usr/src/linux": "the same, with a tree of that shape",
    "./run demo": "test_demo.py runs what it runs",
    "./run test": "this is part of it",
    "cmake --preset release && cmake --build --preset release": "test_the_libraries_are_installed_as_the_readme_says",
    "cmake --install build/release --prefix build/installed": "the same",
    "pytest test_mine.py": "test_tutorial.py runs it, before and after the mistake is mended",
    "pip install '.[testing]'": "test_package.py builds and installs it; ./run setup with more extras",
    "python -m vring.report budget --update": "test_codegen_budget.py holds what it records",
    "python -m vring.report codegen --accessors linux_read_once.h --target x86-64 --compiler gcc": "test_codegen_page.py",
    "pip install .": "test_package.py builds and installs it",
    "python -m vring explain stride --output stride.svg": "test_explain.py",
    "qemu-img create -q -f raw disk.img 16M": "test_blk_command.py runs the block",
    "qemu-storage-daemon --blockdev file,node-name=disk,filename=disk.img --export vhost-user-blk,id=disk,"
    "node-name=disk,writable=on,addr.type=unix,addr.path=disk.sock --daemonize --pidfile disk.pid": "test_blk_command.py runs the block",
    "python -m vring blk write disk.sock notes.padded --offset 1M": "test_blk_command.py runs the block",
    "python -m vring blk read disk.sock --offset 1M --size 4k --output back": "test_blk_command.py runs the block",
    "python -m vring blk bench disk.sock --seconds 1": "test_blk_command.py runs the block",
    "kill $(cat disk.pid)": "test_blk_command.py runs the block",
    "python -m vring inspect console.log": "test_inspect.py",
    "python -m vring inspect console.log --svg pictures --html page.html": "test_inspect.py",
    "cmake -S examples/vhost-user-blk -B build/vhost-user-blk": "test_vhost_user_qemu.py",
    "cmake --build build/vhost-user-blk": "test_vhost_user_qemu.py",
    "truncate -s 64M build/disk.img": "test_vhost_user_qemu.py",
    "build/vhost-user-blk/vhost-user-blk --socket build/disk.sock --image build/disk.img": "test_vhost_user_qemu.py",
    "qemu-system-x86_64 -M pc,memory-backend=ram -object memory-backend-memfd,id=ram,size=256M,share=on "
    "-m 256M -chardev socket,id=disk,path=build/disk.sock,reconnect=1 "
    "-device vhost-user-blk-pci,chardev=disk,num-queues=1,packed=on": "test_vhost_user_qemu.py",
}


def blocks(language: str) -> list[ParameterSet]:
    """Every fenced block of a language in the documents, named by its document and line."""
    found = []
    for document in DOCUMENTS:
        text = document.read_text()
        for match in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.M | re.S):
            line = text.count("\n", 0, match.start()) + 1
            found.append(pytest.param(match[1], id=f"{document.name}:{line}"))
    return found


@pytest.mark.parametrize("code", blocks("c"))
def test_c_example_compiles_and_runs(code: str, tmp_path: Path) -> None:
    source = tmp_path / "example.c"
    source.write_text(code)
    libraries = sorted((ROOT / "lib").glob("*/*.c"))
    subprocess.run([*COMPILE, source, *libraries, "-o", tmp_path / "example"], check=True, timeout=PROGRAM)
    done = subprocess.run([tmp_path / "example"], check=True, timeout=PROGRAM, capture_output=True, text=True)
    assert done.stdout == "hello, driver\n"


def test_the_c_example_of_the_readme_is_the_consumer() -> None:
    (code,) = (param.values[0] for param in blocks("c") if str(param.id).startswith("README.md"))
    assert code == (ROOT / "tests" / "c" / "consumer" / "main.c").read_text()
    body = code[code.index("{\n") + 2 : code.rindex("}")]
    assert len([line for line in body.splitlines() if line.strip()]) <= 25, (
        "the example is meant to be read at a glance"
    )


@pytest.mark.parametrize("code", blocks("python"))
def test_python_example_runs(code: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=PROGRAM, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout == "my request b'hello, driver'\n"


def test_the_libraries_are_installed_as_the_readme_says(tmp_path: Path) -> None:
    (code,) = (param.values[0] for param in blocks("sh") if "--install" in str(param.values[0]))
    for name in "CMakeLists.txt CMakePresets.json README.md LICENSE".split():
        shutil.copy(ROOT / name, tmp_path)
    for name in "cmake include lib examples".split():
        shutil.copytree(ROOT / name, tmp_path / name)
    subprocess.run(["sh", "-ec", str(code)], cwd=tmp_path, check=True, timeout=10 * PROGRAM, capture_output=True)
    made = tmp_path / "build" / "installed"
    configured = {**os.environ, "PKG_CONFIG_PATH": str(made / "lib" / "pkgconfig")}
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "vring", "bounce"],
        env=configured,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    program = tmp_path / "main"
    consumer = str(ROOT / "tests" / "c" / "consumer" / "main.c")
    subprocess.run(["gcc", consumer, "-o", program, *flags], check=True, timeout=PROGRAM)
    assert subprocess.run([program], check=True, capture_output=True, text=True).stdout == "hello, driver\n"


@pytest.mark.parametrize("code", blocks("sh"))
def test_every_command_is_run_by_a_test(code: str) -> None:
    for line in code.splitlines():
        assert line in COMMANDS, f"no test runs '{line}'"


def test_run_knows_its_commands() -> None:
    done = subprocess.run([ROOT / "run"], check=True, timeout=PROGRAM, capture_output=True, text=True)
    assert "./run demo" in done.stdout and "./run test" in done.stdout
    assert subprocess.run([ROOT / "run", "nonsense"], timeout=PROGRAM, capture_output=True, check=False).returncode == 2


def test_nothing_lies_at_the_top_by_mistake() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, timeout=PROGRAM, capture_output=True, text=True
    ).stdout
    assert {path.split("/")[0] for path in listed.split()} == TOP


def test_fuzzing_goes_on_from_where_it_ended() -> None:
    """``./run fuzz``: what a short run finds is kept, and the next run reads it."""
    subprocess.run([ROOT / "run", "fuzz", "pool", "2"], check=True, timeout=PROGRAM, capture_output=True)
    kept = len(list((ROOT / "build" / "corpus" / "pool").iterdir()))
    assert kept > 50
    done = subprocess.run(
        [ROOT / "run", "fuzz", "pool", "1"], check=True, timeout=PROGRAM, capture_output=True, text=True
    )
    read = re.search(r"(\d+) files found in build/corpus/pool", done.stderr)
    assert read and int(read[1]) == kept
    assert (
        subprocess.run([ROOT / "run", "fuzz", "nonsense"], timeout=PROGRAM, capture_output=True, check=False).returncode
        == 2
    )


def test_links_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def normalized(condition: str) -> str:
    return " ".join(condition.replace("\\|", "|").split())


def peer_bad_conditions() -> list[tuple[str, str]]:
    """(file, condition) of every PEER_BAD in the library."""
    found = []
    for path in sorted((ROOT / "lib" / "vring").glob("*.[ch]")):
        if path.name == "peer.h":
            continue
        text = path.read_text()
        for match in re.finditer(r"\bPEER_BAD\(", text):
            depth, end = 1, match.end()
            while depth:
                depth += {"(": 1, ")": -1}.get(text[end], 0)
                end += 1
            found.append((path.name, normalized(text[match.end() : end - 1])))
    return found


def test_security_lists_every_check_with_a_test_that_exists() -> None:
    rows = re.findall(
        r"^\| `([^`]+)` \| `(.+?)` \| [^|]+ \| ([^|]+) \| `(\w+)` \|$", (ROOT / "SECURITY.md").read_text(), re.M
    )
    listed = sorted((file, normalized(condition)) for file, condition, _, _ in rows)
    assert listed == sorted(peer_bad_conditions())
    tests = "".join(path.read_text() for path in (ROOT / "tests" / "c" / "vring").glob("*.c"))
    for _, _, section, test in rows:
        assert f"TEST({test})" in tests, f"SECURITY.md names {test}"
        assert re.fullmatch(r" ?2\.[78](\.\d+)* ?", section)


def test_documents_name_only_functions_that_exist() -> None:
    """A function that a document calls by its name is declared in a header."""
    headers = "".join(path.read_text() for path in sorted((ROOT / "include").glob("*/*.h")))
    declared = set(re.findall(r"\b((?:vring|bounce)_[a-z0-9_]+)\(", headers))
    for document in DOCUMENTS:
        for name in re.findall(r"`((?:vring|bounce)_[a-z0-9_]+)\(\)`", document.read_text()):
            assert name in declared, f"{document.name}: {name}()"
