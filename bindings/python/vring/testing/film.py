# SPDX-License-Identifier: MIT
"""
A failing run of a state machine becomes a page to step through: every rule with its arguments, the ring or the pool
after it, and what changed. The text of the failure ends with where the page is.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import note
from hypothesis.stateful import RuleBasedStateMachine

from vring.inspect import Record, ring_record, split_ring_record
from vring.inspect.page import Step, draw_page
from vring.layout import SplitAreas
from vring.testing.protocol import RingSetup

__all__ = ["Filmed", "ring_records"]


class Filmed(RuleBasedStateMachine):
    """
    A state machine whose minimal failing run is kept as a page, in ``$VRING_PICTURES`` or ``.hypothesis/vring``.
    Override :meth:`look` to say what there is to see.
    """

    def look(self) -> Sequence[Record]:
        """What there is to see now: records as those of :mod:`vring.inspect`, each under a name of its own."""
        return []

    def _repr_step(self, rule: Any, data: Any, result: Any) -> str:
        """Hypothesis asks for the text of a step only when it reports the run, so that nothing is filmed in vain."""
        text: str = super()._repr_step(rule, data, result)
        call = text.strip().removeprefix("state.")
        self.__dict__.setdefault("_film", []).append(Step(call, self._looked(), sys.exc_info()[0] is not None))
        return text

    def _looked(self) -> Sequence[Record]:
        try:
            return self.look()
        except Exception:  # whatever is broken is being reported already; a missing picture must not hide it
            return []

    def teardown(self) -> None:
        super().teardown()
        error, film = sys.exc_info()[1], self.__dict__.get("_film")
        if error is None or not film:
            return
        film[-1] = Step(film[-1].rule, film[-1].records, failed=True)
        folder = Path(os.environ.get("VRING_PICTURES", ".hypothesis/vring")).absolute()
        path = folder / f"{type(self).__module__}.{type(self).__qualname__}.html".replace("<locals>.", "")
        title = f"{type(self).__name__}: {len(film)} steps to a failure"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(draw_page(title, film, f"{type(error).__name__}: {error}"), "utf-8")
        except OSError as why:
            note(f"No page of this run: {why}")
        else:
            note(f"Step through this run: {path}")


def ring_records(setup: RingSetup, driver: object = None, device: object = None) -> list[Record]:
    """
    The ring of ``setup``, as those of its sides see it that can say; if none can, a split ring as its memory shows it.
    """
    found = []
    for name, side in (("ring", driver), ("ring, the device's view", device)):
        snapshot = getattr(side, "snapshot", None)
        if snapshot is not None:
            found.append(ring_record(name, snapshot(), setup.memory, setup.big_endian))
    if not found and isinstance(setup.areas, SplitAreas):
        found.append(split_ring_record("ring", setup.memory, setup.areas, setup.big_endian))
    return found
