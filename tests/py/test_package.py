# SPDX-License-Identifier: MIT
"""
The package as people get it: an sdist that builds by itself, a wheel with nothing missing and nothing besides,
types that hold.
"""

import doctest
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

import vring
from vring import BounceCode, PoolFlag, RingCode, lowlevel

ROOT = Path(__file__).parents[2]
HEADERS = sorted(path for name in ("vring", "bounce", "bounced") for path in (ROOT / "include" / name).glob("*.h"))


def code_of(header: Path) -> str:
    return re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.DOTALL)


def version_of_headers() -> str:
    text = (ROOT / "include/vring/types.h").read_text()
    return ".".join(re.findall(r"^#define VRING_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$", text, re.MULTILINE))


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Made from the sdist, in a place where the tree is out of sight, as pip does it."""
    place = tmp_path_factory.mktemp("package")
    # What is committed and what is about to be, but nothing that was built.
    files = run("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    for name in files:
        if (ROOT / name).is_file():
            (place / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, place / "tree" / name)
    run(sys.executable, "-m", "build", "--no-isolation", "--sdist", "--outdir", place, cwd=place / "tree")
    [sdist] = place.glob("*.tar.gz")
    (place / "sdist").mkdir()
    run(
        "tar", "-xzf", str(sdist), "-C", str(place / "sdist")
    )  # Debian 12's tarfile knows no filter, later ones ask for it
    [source] = (place / "sdist").iterdir()
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", place, cwd=source)
    [built] = place.glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_holds_the_package_and_nothing_besides(wheel: zipfile.ZipFile) -> None:
    package = ROOT / "bindings/python"
    sources = {
        path.relative_to(package).as_posix()
        for path in (package / "vring").rglob("*")
        if path.suffix in (".py", ".pyi", ".css", ".js", ".html") or path.name == "py.typed"
    }
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert "vring/py.typed" in held and "vring/_vring.pyi" in held
    compiled_by_reports = {
        f"vring/report/source/{path.relative_to(ROOT).as_posix()}"
        for folder in ("include/vring", "lib/vring", "bench/codegen")
        for path in (ROOT / folder).iterdir()
    }
    assert held == sources | {"vring/_vring.abi3.so"} | compiled_by_reports
    assert any(name.endswith("/licenses/LICENSE") for name in wheel.namelist())


def test_the_wheel_is_for_every_python_from_3_10(wheel: zipfile.ZipFile) -> None:
    assert "-cp310-abi3-" in Path(str(wheel.filename)).name
    [metadata] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    text = wheel.read(metadata).decode()
    assert re.findall(r"^Requires-Dist: (?!.*extra ==)(\S+)", text, re.MULTILINE) == ["cffi>=1.15"]
    assert f"\nVersion: {version_of_headers()}\n" in text


def test_import_needs_cffi_alone(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import vring; "
        f"assert vring.__file__.startswith({str(tmp_path)!r}), vring.__file__; "
        "print(*sorted({name.split('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)))"
    )
    foreign = set(run(sys.executable, "-I", "-X", "frozen_modules=off", "-c", program).split())
    started_with = set(
        run(sys.executable, "-I", "-c", "import sys; print(*{name.split('.')[0] for name in sys.modules})").split()
    )
    assert foreign - started_with == {"vring", "_cffi_backend"}


@pytest.fixture(scope="module")
def cffi_alone(wheel: zipfile.ZipFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the wheel and cffi's one module, and nothing else."""
    place = tmp_path_factory.mktemp("alone") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", place)
    [site] = (place / "lib").glob("python*/site-packages")
    wheel.extractall(site)
    backend = importlib.util.find_spec("_cffi_backend")
    assert backend and backend.origin
    shutil.copy(backend.origin, site)
    return place / "bin" / "python"


def test_nothing_else_is_there(cffi_alone: Path) -> None:
    """Negative control of what follows."""
    for absent in ("hypothesis", "pytest", "jinja2", "cffi"):
        done = subprocess.run([cffi_alone, "-c", f"import {absent}"], text=True, capture_output=True)
        assert done.returncode == 1 and "ModuleNotFoundError" in done.stderr, absent
    done = subprocess.run([cffi_alone, "-c", "import vring.testing"], text=True, capture_output=True)
    assert (
        done.returncode == 1 and "vring.testing needs Hypothesis; pip install 'vring[testing]' brings it" in done.stderr
    )


def test_every_command_needs_cffi_alone(cffi_alone: Path, tmp_path: Path) -> None:
    def vring_command(*words: str | Path) -> str:
        return run(cffi_alone, "-m", "vring", *words, cwd=tmp_path)

    program = """
import json
from vring import *
from vring.inspect import pool_record, ring_record
memory = GuestMemory(1 << 18)
for features in Feature.VERSION_1, Feature.VERSION_1 | Feature.RING_PACKED:
    driver = Driver(memory, allocate_areas(memory, 8, features), features)
    driver.add_avail([(memory.allocate(16), 16)], token="mine")
    print(json.dumps(ring_record("ring", driver.snapshot(), memory)))
pool = BouncePool(memory, memory.base + (1 << 17))
held, usage = pool.map(b"x", Direction.TO_DEVICE), pool.usage()
print(json.dumps(pool_record("pool", pool.mappings(), addr=pool.window_addr, slots=pool.slots, slot_size=2048,
                             segment_slots=128, used=usage.used, high_water=usage.high_water)))
"""
    (tmp_path / "console.jsonl").write_text(run(cffi_alone, "-c", program))
    assert "descriptor" in vring_command("inspect", "console.jsonl")
    vring_command("inspect", "console.jsonl", "--html", "page.html", "--svg", "pictures")
    assert "<html" in (tmp_path / "page.html").read_text() and len(list((tmp_path / "pictures").glob("*.svg"))) >= 3
    assert "aligned" in vring_command("explain", "stride", "--output", "stride.svg")
    assert "<svg" in (tmp_path / "stride.svg").read_text()
    assert "bench" in vring_command("blk", "--help")
    refused = [str(cffi_alone), "-m", "vring", "blk", "read", str(tmp_path / "none")]
    done = subprocess.run(refused, text=True, capture_output=True)
    assert done.returncode == 1 and done.stderr.startswith("vring blk: "), done.stderr


def test_one_version_everywhere() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", version_of_headers())
    assert vring.__version__ == version_of_headers() == importlib.metadata.version("vring")


def test_types_hold_under_mypy_strict() -> None:
    run(sys.executable, "-m", "mypy")


def test_mypy_would_notice(tmp_path: Path) -> None:
    """Negative control: the installed package is seen as typed, and misuse of it is an error."""
    (tmp_path / "wrong.py").write_text("import vring\nvring.GuestMemory('large').read(1)\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "wrong.py"], cwd=tmp_path, text=True, capture_output=True
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "[arg-type]" in done.stdout and "[call-arg]" in done.stdout and "import" not in done.stdout, done.stdout


@pytest.mark.parametrize("module", [vring, vring.bounce, vring.bounce_set, vring.bounced, vring.driver])
def test_examples_in_docstrings_run(module: ModuleType) -> None:
    result = doctest.testmod(module, extraglobs={name: getattr(vring, name) for name in vring.__all__})
    assert result.attempted > 0 and result.failed == 0


def functions_of(headers: list[Path]) -> set[str]:
    return {
        name for header in headers for name in re.findall(r"\b((?:vring|bounced?)_\w+)\([^;{}]*\);", code_of(header))
    }


# What the Python layer does not call, and why nobody misses it; besides the cells' verbs, which the facade's call.
NOT_CALLED = {
    "bounced_error_text": "RingCode and BounceCode know whose code it is, and have its text",
    "bounce_set_reuse": "no entry of a BounceSet waits",
}
# What it does not set, and why.
NOT_SET = {
    "bounce_set_config": {"entries_wait": "a BounceSet is used by one thread at a time: nobody looks at what has left"}
}


def missing_in(layer: str, functions: set[str]) -> set[str]:
    """Functions that the layer does not call, themselves or through the facade, but for those of NOT_CALLED."""
    called = set(re.findall(r"\blib\.(\w+)", layer))
    return {
        name
        for name in functions - set(NOT_CALLED)
        if name not in called and re.sub("^vring_(split|packed)_(?=driver_|device_)", "vring_", name) not in called
    }


def layer() -> str:
    return "".join(path.read_text() for path in (ROOT / "bindings/python/vring").glob("*.py"))


def test_every_function_of_the_headers_is_there() -> None:
    declared = functions_of(HEADERS)
    assert len(declared) > 150
    assert declared <= set(dir(lowlevel.lib)), declared - set(dir(lowlevel.lib))


def test_every_function_of_the_headers_is_within_reach_of_python() -> None:
    assert missing_in(layer(), functions_of(HEADERS)) == set()


def test_a_function_out_of_reach_would_be_noticed() -> None:
    """Negative control, with one call taken out and one function more."""
    without = layer().replace("lib.bounce_set_drain(", "(")
    assert missing_in(without, functions_of(HEADERS)) == {"bounce_set_drain"}
    assert missing_in(layer(), functions_of(HEADERS) | {"bounce_new"}) == {"bounce_new"}
    new = {"vring_split_driver_new", "vring_split_new", "vring_driver_new"}
    assert missing_in(layer(), functions_of(HEADERS) | new) == new
    assert set(NOT_CALLED) <= functions_of(HEADERS) - set(re.findall(r"\blib\.(\w+)", layer()))


def test_every_flag_of_a_pool_has_a_name() -> None:
    header = (ROOT / "include/bounce/bounce.h").read_text()
    flags = set(re.findall(r"^    BOUNCE_(\w+) = \d+,? +/\* pool flag:", header, re.MULTILINE))
    assert len(flags) == 3 and {flag.name for flag in PoolFlag} == flags


@pytest.mark.parametrize(
    "struct, where",
    [
        ("bounce_config", "bindings/python/vring/bounce.py"),
        ("bounce_request", "bindings/python/vring/mapping.py"),
        ("bounce_set_config", "bindings/python/vring/bounce_set.py"),
        ("bounced_driver_config", "bindings/python/vring/bounced.py"),
        ("vring_driver_config", "bindings/python/vring/driver.py"),
        ("vring_device_config", "bindings/python/vring/device.py"),
    ],
)
def test_every_field_of_a_configuration_is_within_reach_of_python(struct: str, where: str) -> None:
    declared = {name for name, _ in lowlevel.ffi.typeof(f"struct {struct}").fields}
    unset = set(NOT_SET.get(struct, {}))
    fields = declared - unset
    assert len(fields) > 4 and unset <= declared
    text = (ROOT / where).read_text()
    assert reached(text, unset) == set()
    assert fields - reached(text, fields) == set()
    for name in fields:  # and a field that nobody sets would be noticed
        assert name not in reached(re.sub(rf"\b{name}\b", "something", text), fields)


def reached(text: str, fields: set[str]) -> set[str]:
    """Those that the text sets: by name, or by a list of names."""
    return {
        name
        for name in fields
        if re.search(rf"\.{name}(,[^=\n]*)? = ", text) or f'"{name}"' in text or re.search(rf"config\.{name},", text)
    }


def test_every_constant_of_the_headers_is_there() -> None:
    enumerations = [
        body for header in HEADERS for body in re.findall(r"enum \w*\s*\{(.*?)\}", code_of(header), re.DOTALL)
    ]
    declared = {name.split("=")[0].strip() for body in enumerations for name in body.split(",") if name.strip()}
    declared |= {
        name
        for header in HEADERS
        for name in re.findall(r"^#define ((?:VRING|BOUNCE)_\w+)[ ]+[(\dS]", code_of(header), re.MULTILINE)
    }
    assert {"VRING_E_PEER_LOOP", "VRING_F_EVENT_IDX", "BOUNCE_WHOLE", "BOUNCE_FIRST_FIT"} <= declared and len(
        declared
    ) > 80
    assert declared <= set(dir(lowlevel.lib)), declared - set(dir(lowlevel.lib))


@pytest.mark.parametrize("codes, prefix", [(RingCode, "VRING_E_"), (BounceCode, "BOUNCE_E_")])
def test_every_error_has_a_name_and_a_sentence(codes: type[RingCode] | type[BounceCode], prefix: str) -> None:
    of_headers = {
        name.removeprefix(prefix): getattr(lowlevel.lib, name) for name in dir(lowlevel.lib) if name.startswith(prefix)
    }
    assert {code.name: code.value for code in codes} == of_headers
    sentences = {code.text for code in codes}
    assert len(sentences) == len(codes) and all(len(sentence) > 10 for sentence in sentences)
