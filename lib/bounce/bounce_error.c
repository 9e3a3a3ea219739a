/* SPDX-License-Identifier: MIT */
#include <bounce/bounce.h>

enum bounce_blame bounce_error_blame(int error)
{
    if (error >= 0)
        return BOUNCE_BLAME_NONE;
    if (error <= BOUNCE_E_FULL && error >= BOUNCE_E_MAPPINGS)
        return BOUNCE_BLAME_STATE;
    return error == BOUNCE_E_CORRUPT ? BOUNCE_BLAME_POOL : BOUNCE_BLAME_CALLER;
}

const char *bounce_error_text(int error)
{
    if (error >= 0)
        return "no error";

    switch ((enum bounce_error)error) {
    case BOUNCE_E_FULL:
        return "state: fewer slots are free than the mapping needs; it fits once others have ended";
    case BOUNCE_E_FRAGMENTED:
        return "state: enough slots are free, but no run of them suits the request; it fits once others have ended";
    case BOUNCE_E_BUSY:
        return "state: mappings are live, or the lock is held by another";
    case BOUNCE_E_MAPPINGS:
        return "state: as many mappings are live as the configuration has room for; it fits once others have ended";
    case BOUNCE_E_NULL:
        return "caller: a pointer that must not be null is null";
    case BOUNCE_E_SIZE:
        return "caller: the size is 0";
    case BOUNCE_E_TOO_LARGE:
        return "caller: the mapping, padding included, is longer than a segment; it never fits";
    case BOUNCE_E_UNSATISFIABLE:
        return "caller: no slot of this pool suits these masks, even when it is empty";
    case BOUNCE_E_MASK:
        return "caller: a mask is not 2^k - 1";
    case BOUNCE_E_ALIGN:
        return "caller: the window's address is no multiple of the slot size, or the metadata are not 8-byte aligned";
    case BOUNCE_E_ADDR:
        return "caller: a range wraps past the end of the address space";
    case BOUNCE_E_GEOMETRY:
        return "caller: a size or count of slots, pages, segments or areas, the cursor, or a flag is out of range";
    case BOUNCE_E_OVERLAP:
        return "caller: pool, metadata, window and originals must not share bytes";
    case BOUNCE_E_META:
        return "caller: too little memory for the metadata; bounce_meta_size() says how much";
    case BOUNCE_E_HANDLE:
        return "caller: the handle is stale, was used twice, is of another pool, or is not for this call";
    case BOUNCE_E_DIRECTION:
        return "caller: the direction is not that of the mapping, or is none";
    case BOUNCE_E_RANGE:
        return "caller: offset and length reach beyond the mapping, or there is no further mapping";
    case BOUNCE_E_STATE:
        return "caller: the pool is not initialised";
    case BOUNCE_E_COPY:
        return "caller: the pool's copy function failed";
    case BOUNCE_E_SHARE:
        return "caller: the set's share function failed; the window must never be used or freed";
    case BOUNCE_E_CORRUPT:
        return "pool: the metadata contradict themselves: private memory was overwritten";
    }
    return "caller: not an answer of this library";
}
