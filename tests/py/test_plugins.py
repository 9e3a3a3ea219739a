# SPDX-License-Identifier: MIT
"""What an installed package brings to pytest and to Hypothesis without being asked: fixtures, and types to draw."""

import subprocess
import sys
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from limits import PROGRAM
from vring import Feature
from vring._pytest_plugin import RingPair
from vring.testing import Geometry, PoolModel, Request, RingSetup


def test_a_buffer_goes_round_the_ring_of_the_fixture(ring_pair: RingPair) -> None:
    driver, device, memory = ring_pair
    assert driver.packed == device.packed
    assert driver.add_avail(writable=[(memory.allocate(16), 16)], token="mine") and driver.publish()
    chain = device.get_avail()
    assert chain
    chain.write(b"hello")
    device.add_used(chain)
    device.publish()
    assert driver.get_used() == ("mine", 5)


def test_a_pool_that_is_not_given_back_fails_the_test(tmp_path: Path) -> None:
    (tmp_path / "test_leak.py").write_text(
        "from vring import Direction\n"
        "def test_fine(bounce_pool):\n    bounce_pool.map(b'x', Direction.TO_DEVICE).unmap()\n"
        "def test_leaks(bounce_pool):\n    bounce_pool.map(b'x', Direction.TO_DEVICE)\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, timeout=PROGRAM)
    assert "2 passed, 1 error" in done.stdout and "live mappings" in done.stdout, done.stdout


@settings(max_examples=10)
@given(st.from_type(RingSetup), st.from_type(Geometry), st.from_type(Request))
def test_types_are_drawn_by_name(setup: RingSetup, geometry: Geometry, request: Request) -> None:
    assert setup.features & Feature.VERSION_1 and setup.areas.size > 0
    assert geometry.slots > 0 and request.size > 0
    PoolModel(geometry).map(request)


def test_the_fixtures_need_no_hypothesis() -> None:
    program = "import sys, vring._pytest_plugin; print('hypothesis' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], text=True, capture_output=True, check=True, timeout=PROGRAM)
    assert done.stdout == "False\n"
