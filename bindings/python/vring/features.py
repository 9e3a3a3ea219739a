# SPDX-License-Identifier: MIT
"""Feature bits that concern the ring, and what this build makes of them (virtio 6; ``vring/types.h``)."""

import enum

from vring.errors import RingCode, integer
from vring.lowlevel import lib

__all__ = ["ByteOrder", "Feature", "accept", "supported"]


class ByteOrder(enum.IntEnum):
    """That of a ring without VERSION_1: the driver's own (2.7.3). With VERSION_1 every ring is little-endian."""

    NATIVE = lib.VRING_ORDER_NATIVE
    LITTLE = lib.VRING_ORDER_LITTLE
    BIG = lib.VRING_ORDER_BIG


class Feature(enum.IntFlag):
    """Masks, never bit numbers: ``Feature.VERSION_1 | Feature.EVENT_IDX``. Bits of the device type may be mixed in."""

    NOTIFY_ON_EMPTY = lib.VRING_F_NOTIFY_ON_EMPTY
    ANY_LAYOUT = lib.VRING_F_ANY_LAYOUT
    INDIRECT_DESC = lib.VRING_F_INDIRECT_DESC
    EVENT_IDX = lib.VRING_F_EVENT_IDX
    VERSION_1 = lib.VRING_F_VERSION_1
    ACCESS_PLATFORM = lib.VRING_F_ACCESS_PLATFORM
    RING_PACKED = lib.VRING_F_RING_PACKED
    IN_ORDER = lib.VRING_F_IN_ORDER
    ORDER_PLATFORM = lib.VRING_F_ORDER_PLATFORM
    SR_IOV = lib.VRING_F_SR_IOV
    NOTIFICATION_DATA = lib.VRING_F_NOTIFICATION_DATA
    NOTIF_CONFIG_DATA = lib.VRING_F_NOTIF_CONFIG_DATA
    RING_RESET = lib.VRING_F_RING_RESET
    ADMIN_VQ = lib.VRING_F_ADMIN_VQ
    SUSPEND = lib.VRING_F_SUSPEND


def supported(word: int = 0) -> Feature:
    """
    The ring features that this build carries out, over bits 64 * word to 64 * word + 63
    (``vring_features_supported``).
    """
    return Feature(lib.vring_features_supported(integer("supported", "word", word, 32, RingCode.FEATURE)))


def accept(offered: int, word: int = 0) -> Feature:
    """
    What a driver may write back of what a device offered, over bits 64 * word to 64 * word + 63: reserved bits that
    this build cannot carry out are removed, bits of the device type pass (``vring_features_accept``).
    """
    offered = integer("accept", "offered", offered, 64, RingCode.FEATURE)
    return Feature(lib.vring_features_accept(integer("accept", "word", word, 32, RingCode.FEATURE), offered))
