# SPDX-License-Identifier: MIT
"""
Hypothesis profiles: quick and reproducible unless HYPOTHESIS_PROFILE=deep asks for a search. And what several files of
tests build once for all of them.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, configuration, settings

import vhost_user_peer as peer
from codegen_rig import ROOT
from vhost_user_peer import SECTORS, Daemon, Disk, FrontEnd, Memory, SplitRing
from vring.report import build

# What Hypothesis remembers between runs lies with everything else that is built.
configuration.set_hypothesis_home_dir(ROOT / "build" / "hypothesis")
# The pages of failing runs, too.
os.environ.setdefault("VRING_PICTURES", str(ROOT / "build" / "pictures"))

settings.register_profile(
    "quick",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=30,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "deep",
    deadline=None,
    max_examples=3000,
    stateful_step_count=200,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(scope="session")
def checked_daemon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """examples/vhost-user-blk with sanitizers."""
    flags = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
    return peer.build(tmp_path_factory.mktemp("checked"), *flags)


@pytest.fixture(scope="session")
def plain_daemon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """examples/vhost-user-blk as people run it."""
    return peer.build(tmp_path_factory.mktemp("plain"), "-Werror")


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> build.Sources:
    """What the codegen report compiles, and a folder for what it makes of it."""
    return build.find_sources(tmp_path_factory.mktemp("codegen"), ROOT)


# ---------------------------------------------------------------------------------------------- a daemon under test ---


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A disk image of which no two sectors are alike."""
    path = tmp_path / "disk.img"
    path.write_bytes(b"".join(struct.pack("<Q", i) * 64 for i in range(SECTORS)))
    return path


@pytest.fixture
def daemon(checked_daemon: Path, tmp_path: Path, image: Path) -> Iterator[Daemon]:
    """A daemon that must be what it was once the test is over."""
    with Daemon(checked_daemon, tmp_path, image) as running:
        yield running
        peer.wait(lambda: running.owns() == peer.IDLE, "descriptors and mappings as they were")
        assert "Sanitizer" not in running.complaints and "runtime error" not in running.complaints


@pytest.fixture
def memory() -> Iterator[Memory]:
    """A megabyte for a guest."""
    shared = Memory()
    yield shared
    shared.close()


@pytest.fixture
def front_end(daemon: Daemon) -> Iterator[FrontEnd]:
    """A connection on which nothing has been said."""
    with FrontEnd(daemon.socket) as connection:
        yield connection


@pytest.fixture
def disk(front_end: FrontEnd, memory: Memory) -> Iterator[Disk]:
    """A split queue that runs."""
    with Disk(front_end, SplitRing(memory)) as running:
        yield running.start()
