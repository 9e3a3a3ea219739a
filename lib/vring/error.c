/* SPDX-License-Identifier: MIT */
#include <vring/types.h>

enum vring_blame vring_error_blame(int error)
{
    if (error >= 0)
        return VRING_BLAME_NONE;
    if (error >= VRING_E_MISS)
        return VRING_BLAME_STATE;
    if (error <= VRING_E_CHAIN_ADDR && error >= VRING_E_CHAIN_LEN)
        return VRING_BLAME_CHAIN;
    if (error <= VRING_E_PEER_INDEX && error >= VRING_E_PEER_LEN)
        return VRING_BLAME_PEER;
    return VRING_BLAME_CALLER;
}

const char *vring_error_text(int error)
{
    if (error >= 0)
        return "no error";

    switch ((enum vring_error)error) {
    case VRING_E_EMPTY:
        return "state: the peer has nothing for us now";
    case VRING_E_FULL:
        return "state: too few free descriptors now; the buffer fits once others have come back";
    case VRING_E_ROOM:
        return "state: the chain has more pieces than the array given for them; it was not taken";
    case VRING_E_MISS:
        return "state: the chain has an address that no region holds yet; it was not taken";
    case VRING_E_NULL:
        return "caller: a pointer that must not be null is null";
    case VRING_E_SIZE:
        return "caller: the queue size is not a power of two from 1 to 32768, or there is less state than it needs";
    case VRING_E_ALIGN:
        return "caller: an area, a table or a state array is not aligned as it must be";
    case VRING_E_OVERLAP:
        return "caller: areas, state or regions share bytes, or regions are not sorted";
    case VRING_E_ADDR:
        return "caller: an address range is empty or wraps past the end of the address space";
    case VRING_E_LEN:
        return "caller: a length is zero, more than 2^32 in sum, or more than the device may write";
    case VRING_E_CHAIN:
        return "caller: no segments, or more than a chain or the table can ever hold";
    case VRING_E_FEATURE:
        return "caller: a feature that this build or this queue does not have";
    case VRING_E_HANDLE:
        return "caller: the handle is stale, was used twice, or is not of this queue";
    case VRING_E_STATE:
        return "caller: the queue is not initialised, is suspended, or has nothing to undo";
    case VRING_E_SAVED:
        return "caller: the saved state or inflight region is damaged, cut short, or of another version";
    case VRING_E_UNFIT:
        return "caller: the saved state is of another queue, or the ring is not where it was left";
    case VRING_E_CHAIN_ADDR:
        return "driver: a buffer lies outside the memory regions, or is writable in a read-only one; complete it with 0";
    case VRING_E_CHAIN_ORDER:
        return "driver: a device-readable descriptor follows a device-writable one; complete the chain with 0";
    case VRING_E_CHAIN_LEN:
        return "driver: the chain is longer than 2^32 bytes; complete it with 0";
    case VRING_E_PEER_INDEX:
        return "peer: a ring index moved backwards or further than the queue is long";
    case VRING_E_PEER_ID:
        return "peer: a descriptor head is out of range, not in flight, or in flight twice";
    case VRING_E_PEER_NEXT:
        return "peer: a descriptor's next lies outside its table";
    case VRING_E_PEER_LOOP:
        return "peer: a chain is longer than the queue allows, or loops";
    case VRING_E_PEER_INDIRECT:
        return "peer: an indirect descriptor is not negotiated, nested, continued, or of a bad length";
    case VRING_E_PEER_TABLE:
        return "peer: an indirect table lies outside the memory regions";
    case VRING_E_PEER_LEN:
        return "peer: the used length exceeds what the device could have written";
    }
    return "caller: not an error of this library";
}
