# SPDX-License-Identifier: MIT
"""
Hypothesis profiles: quick and reproducible unless HYPOTHESIS_PROFILE=deep asks for a search. And what several files of
tests build once for all of them.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, configuration, settings

import vhost_user_peer
from codegen_rig import ROOT
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
    return vhost_user_peer.build(tmp_path_factory.mktemp("checked"), *flags)


@pytest.fixture(scope="session")
def plain_daemon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """examples/vhost-user-blk as people run it."""
    return vhost_user_peer.build(tmp_path_factory.mktemp("plain"), "-Werror")


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> build.Sources:
    """What the codegen report compiles, and a folder for what it makes of it."""
    return build.find_sources(tmp_path_factory.mktemp("codegen"), ROOT)
