# SPDX-License-Identifier: MIT
"""What every machine of rings is told of the ring that is put under it."""

from collections.abc import Sequence

from vring.device import Device
from vring.driver import Driver
from vring.features import Feature
from vring.inspect import Record
from vring.testing.film import Filmed, ring_records
from vring.testing.protocol import DeviceLike, DriverLike, RingSetup

__all__ = ["RingUnderTest"]


class RingUnderTest(Filmed):
    """
    A machine with a ring. Override ``make_driver`` and ``make_device`` to put your own under it, whichever it asks for:
    see :class:`vring.testing.DriverLike` and :class:`vring.testing.DeviceLike`. Set ``features`` to what it knows of
    EVENT_IDX, INDIRECT_DESC and IN_ORDER, ``legacy`` to True if it knows rings without VERSION_1 in the byte order of
    :attr:`vring.testing.RingSetup.legacy_order`.
    """

    features = Feature.EVENT_IDX | Feature.INDIRECT_DESC
    legacy = False
    setup: RingSetup

    def make_driver(self, setup: RingSetup) -> DriverLike:
        """The driver under test; made first, because it clears the areas."""
        order = setup.legacy_order
        return Driver(setup.memory, setup.areas, setup.features, index=setup.index, legacy_order=order)

    def make_device(self, setup: RingSetup) -> DeviceLike:
        """The device under test."""
        order, regions = setup.legacy_order, setup.regions
        return Device(setup.memory, setup.areas, setup.features, regions=regions, index=setup.index, legacy_order=order)

    def look(self) -> Sequence[Record]:
        return ring_records(self.setup, getattr(self, "driver", None), getattr(self, "device", None))

    def known(self, setup: RingSetup) -> RingSetup:
        """The same with nothing that the ring under test does not know."""
        return setup.known(self.features, self.legacy)
