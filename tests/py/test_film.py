# SPDX-License-Identifier: MIT
"""A failing run leaves a page to step through, and says where it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from vring import BouncePool, Driver, Feature, GuestMemory, PoolFlag, SplitAreas, SplitDevice, SplitDriver
from vring.inspect import buffers, ring_record, split_ring_record
from vring.testing import (
    Geometry,
    HostileDeviceMachine,
    PackedRingMachine,
    PeerDriver,
    PoolMachine,
    RingMachine,
    RingSetup,
)


def fail(machine: type[RuleBasedStateMachine], folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str, Path]:
    """The text of the failure, the page, and where it is."""
    monkeypatch.setenv("VRING_PICTURES", str(folder))
    with pytest.raises(Exception) as found:
        run_state_machine_as_test(
            machine, settings=settings(max_examples=300, report_multiple_bugs=False, phases=[Phase.generate])
        )
    text = "\n".join([str(found.value), *getattr(found.value, "__notes__", [])])
    [said] = re.findall(r"Step through this run: (.*)", text)
    return text, Path(said).read_text("utf-8"), Path(said)


class CountsWrong(Driver):
    """With three buffers in flight it forgets a free descriptor."""

    @property
    def free(self) -> int:
        return super().free - (self.in_flight > 2)


class Packed(PackedRingMachine):
    def make_driver(self, setup: RingSetup) -> Driver:
        return CountsWrong(setup.memory, setup.areas, setup.features, index=setup.index)


class ForeignDriver(PeerDriver):
    """A driver in pure Python, which cannot be asked for a snapshot; it publishes what is only staged."""

    def abort(self) -> object:
        self.words.avail_idx = self.next_avail
        return super().abort()


class Foreign(RingMachine):
    def make_driver(self, setup: RingSetup) -> PeerDriver:
        return ForeignDriver(setup)


class LooksFromTheStart(PoolMachine):
    """Holds a pool that begins at its cursor against a model of one that begins at its start."""

    def make_pool(self, memory: GuestMemory, geometry: Geometry) -> BouncePool:
        return BouncePool(memory, **geometry.options(), flags=0 if geometry.first_fit else PoolFlag.FIRST_FIT)


@pytest.mark.parametrize(
    ("machine", "pictures"), [(Packed, "packed ring"), (Foreign, "split ring"), (LooksFromTheStart, "over time")]
)
def test_a_failing_run_leaves_a_page(
    machine: type[RuleBasedStateMachine], pictures: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, page, path = fail(machine, tmp_path / "pages", monkeypatch)
    assert path.parent == tmp_path / "pages" and path.name == f"test_film.{machine.__name__}.html"
    # Every step that Hypothesis prints is on the page, with its arguments, in order; the last one is marked.
    printed = [line.strip().removeprefix("state.") for line in text.splitlines() if re.match(r"\s*state\.\w+\(", line)]
    rules = re.findall(r"<li( class=failed)?><button type=\"button\"><b>(\w+)</b>", page)
    called = [line.split("(")[0] for line in printed]
    assert [name for _, name in rules] == [name for name in called if name in {name for _, name in rules}]
    assert [bool(mark) for mark, _ in rules] == [False] * (len(rules) - 1) + [True]
    assert page.count("<section ") == len(rules) and pictures in page
    assert str(text.splitlines()[0])[:30] in page.replace("&#x27;", "'").replace("&quot;", '"').replace("&gt;", ">")
    assert "http" not in page.replace("http://www.w3.org/2000/svg", ""), "the page needs nothing from elsewhere"


def test_a_run_that_passes_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VRING_PICTURES", str(tmp_path / "pages"))
    run_state_machine_as_test(RingMachine, settings=settings(max_examples=3, stateful_step_count=10))
    run_state_machine_as_test(HostileDeviceMachine, settings=settings(max_examples=3, stateful_step_count=10))
    assert not (tmp_path / "pages").exists()


def test_a_page_that_cannot_be_written_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("VRING_PICTURES", str(tmp_path / "file"))
    with pytest.raises(AssertionError, match="descriptors free") as found:
        run_state_machine_as_test(Packed, settings=settings(max_examples=300, phases=[Phase.generate]))
    assert any("No page of this run" in line for line in getattr(found.value, "__notes__", []))


def test_the_memory_of_a_split_ring_shows_what_its_driver_says() -> None:
    """For a ring that is used in order the guess and the driver's own word agree."""
    features = Feature.VERSION_1 | Feature.INDIRECT_DESC
    memory = GuestMemory(1 << 16)
    areas = SplitAreas.allocate(memory, 16)
    driver = SplitDriver(memory, areas, features, index=65533)
    device = SplitDevice(memory, areas, features, index=65533)
    data = memory.allocate(64)
    most = 0
    for lap in range(12):
        for n in range(lap % 3):
            assert driver.add_avail([(data, 4)], [(data + 8, 4)][:n])
        driver.publish()
        for _ in range(3 * (lap % 4 == 3)):
            if chain := device.get_avail():
                device.add_used(chain)
        device.publish()
        while driver.get_used():
            pass
        asked = buffers(ring_record("ring", driver.snapshot(), memory))
        guessed = buffers(split_ring_record("ring", memory, areas))
        assert [(b.head, b.state, b.descriptors) for b in asked] == [(b.head, b.state, b.descriptors) for b in guessed]
        most = max(most, len(asked))
    assert most > 3
