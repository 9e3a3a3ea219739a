/* SPDX-License-Identifier: MIT */
/*
 * One request on a ring of two entries, as the library carries it out: every access to shared memory is a line of JSON.
 * What sequence.py draws.
 *
 *     sequence split | packed
 */
#include <vring/vring.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vring/access_hook.h"

enum { SIZE = 2, GUEST = 0x1000 };

static struct {
    VRING_ALIGNAS(16) unsigned char desc[16 * SIZE];
    VRING_ALIGNAS(16) unsigned char driver_area[6 + 2 * SIZE];
    VRING_ALIGNAS(16) unsigned char device_area[6 + 8 * SIZE];
} shared;

static unsigned char memory[0x100];
static bool packed, recording;
static const char *side, *verb;

/* ---------------------------------------------------------------------------------------- names of shared words --- */

/* A word by its name in the spec, and which area it is in. */
struct name {
    const char *area;
    char field[40];
};

static struct name in_desc(size_t offset, size_t width)
{
    struct name name = {"descriptors", ""};
    const char *field = offset % 16 == 0    ? "addr"
                        : width == 8        ? (packed ? "len, id, flags" : "len, flags, next")
                        : offset % 16 == 8  ? "len"
                        : offset % 16 == 12 ? (packed ? "id" : "flags")
                                            : (packed ? "flags" : "next");

    snprintf(name.field, sizeof name.field, "%s[%u].%s", packed ? "ring" : "desc", (unsigned)(offset / 16), field);
    return name;
}

static struct name in_driver_area(size_t offset)
{
    struct name name = {"driver area", "driver event"};

    if (packed)
        return name;
    if (offset < 4)
        snprintf(name.field, sizeof name.field, "avail.%s", offset ? "idx" : "flags");
    else if (offset < 4 + 2 * SIZE)
        snprintf(name.field, sizeof name.field, "avail.ring[%u]", (unsigned)(offset - 4) / 2);
    else
        snprintf(name.field, sizeof name.field, "used_event");
    return name;
}

static struct name in_device_area(size_t offset)
{
    struct name name = {"device area", "device event"};

    if (packed)
        return name;
    if (offset < 4)
        snprintf(name.field, sizeof name.field, "used.%s", offset ? "idx" : "flags");
    else if (offset < 4 + 8 * SIZE)
        snprintf(name.field, sizeof name.field, "used.ring[%u].%s", (unsigned)(offset - 4) / 8,
                 offset % 8 == 4 ? "id" : "len");
    else
        snprintf(name.field, sizeof name.field, "avail_event");
    return name;
}

static struct name name_of(const void *p, size_t width)
{
    const unsigned char *at = (const unsigned char *)p;

    if (at >= shared.desc && at < shared.desc + sizeof shared.desc)
        return in_desc((size_t)(at - shared.desc), width);
    if (at >= shared.driver_area && at < shared.driver_area + sizeof shared.driver_area)
        return in_driver_area((size_t)(at - shared.driver_area));
    return in_device_area((size_t)(at - shared.device_area));
}

static const char *flags_of(unsigned flags)
{
    static char text[64];

    snprintf(text, sizeof text, "%s%s%s%s%s", flags & VRING_DESC_NEXT ? "|NEXT" : "",
             flags & VRING_DESC_WRITE ? "|WRITE" : "", flags & VRING_DESC_AVAIL ? "|AVAIL" : "",
             flags & VRING_DESC_USED ? "|USED" : "", flags ? "" : "|0");
    return text + 1;
}

/* A value as its field says. */
static void print_value(const struct name *name, uint64_t v)
{
    const char *field = strchr(name->field, '.') ? strrchr(name->field, '.') + 1 : name->field;

    if (strcmp(field, "len, flags, next") == 0)
        printf("%u, %s, %u", (unsigned)v & 0xffffffffu, flags_of((unsigned)(v >> 32) & 0xffff), (unsigned)(v >> 48));
    else if (strcmp(field, "len, id, flags") == 0)
        printf("%u, %u, %s", (unsigned)v & 0xffffffffu, (unsigned)(v >> 32) & 0xffff, flags_of((unsigned)(v >> 48)));
    else if (strcmp(field, "flags") == 0 && strcmp(name->area, "descriptors") == 0)
        printf("%s", flags_of((unsigned)v));
    else if (strstr(field, " event"))
        printf("%s %u wrap %u",
               v >> 16 == VRING_EVENT_ENABLE ? "ENABLE" : v >> 16 == VRING_EVENT_DISABLE ? "DISABLE" : "DESC",
               (unsigned)v & 0x7fff, (unsigned)v >> 15 & 1);
    else if (strcmp(field, "addr") == 0)
        printf("0x%" PRIx64, v);
    else
        printf("%" PRIu64, v);
}

static void print(const char *action, const void *p, size_t width, uint64_t v, const char *order)
{
    struct name name = name_of(p, width);

    if (!recording)
        return;
    printf(
        "{\"side\": \"%s\", \"verb\": \"%s\", \"action\": \"%s\", \"area\": \"%s\", \"field\": \"%s\", \"value\": \"",
        side, verb, action, name.area, name.field);
    print_value(&name, v);
    printf("\", \"order\": \"%s\"}\n", order);
}

/* An event that is no access. */
static void say(const char *action)
{
    if (recording)
        printf("{\"side\": \"%s\", \"verb\": \"%s\", \"action\": \"%s\"}\n", side, verb, action);
}

/* ----------------------------------------------------------------------------------------------------- accesses --- */

uint64_t vring_hook_load(const void *p, size_t width, enum vring_hook_order order)
{
    uint64_t value = width == 8 ? *(const uint64_t *)p : width == 4 ? *(const uint32_t *)p : *(const uint16_t *)p;

    print("load", p, width, value, order == VRING_HOOK_ACQUIRE ? "acquire" : "");
    return value;
}

void vring_hook_store(void *p, size_t width, uint64_t v, enum vring_hook_order order)
{
    print("store", p, width, v, order == VRING_HOOK_RELEASE ? "release" : "");
    if (width == 8)
        *(uint64_t *)p = v;
    else if (width == 4)
        *(uint32_t *)p = (uint32_t)v;
    else
        *(uint16_t *)p = (uint16_t)v;
}

void vring_hook_fence(void)
{
    say("fence");
}

/* -------------------------------------------------------------------------------------------------- the request --- */

static struct vring_driver driver;
static struct vring_device device;
static struct vring_slot slots[SIZE];
static struct vring_head heads[SIZE];
static const struct vring_region region = {GUEST, sizeof memory, memory, 0};

#define DRIVER(name, call) (side = "driver", verb = name, (call))
#define DEVICE(name, call) (side = "device", verb = name, (call))

/* What came before: two small requests, so that nothing drawn is left out because it had that value already. */
static bool warm_up(void)
{
    const struct vring_segment segment = {GUEST, 4};
    struct vring_used_buffer used;
    struct vring_chain chain;
    struct vring_iov iov;

    for (uint64_t i = 0; i < SIZE; i++)
        if (vring_driver_add_avail(&driver, &segment, 0, 1, i) != 0)
            return false;
    if (vring_driver_publish(&driver) < 0)
        return false;
    for (int i = 0; i < SIZE; i++)
        if (vring_device_get_avail(&device, &iov, 1, &chain) != 0 ||
            vring_device_add_used(&device, chain.handle, 4) != 0)
            return false;
    if (vring_device_publish(&device) < 0)
        return false;
    for (int i = 0; i < SIZE; i++)
        if (vring_driver_get_used(&driver, &used) != 0)
            return false;
    return true;
}

/* One request, 16 bytes out and 32 back, from sleep to sleep. False if anything is not as it must be. */
static bool request(void)
{
    const struct vring_segment segments[2] = {{GUEST, 16}, {GUEST + 0x40, 32}};
    struct vring_used_buffer used;
    struct vring_chain chain;
    struct vring_iov iov[2];

    if (DEVICE("enable_notify", vring_device_enable_notify(&device)) != 0)
        return false;
    say("sleep");
    if (DRIVER("add_avail", vring_driver_add_avail(&driver, segments, 1, 1, 7)) != 0 ||
        DRIVER("publish", vring_driver_publish(&driver)) != 1)
        return false;
    say("notify");
    if (DRIVER("enable_notify", vring_driver_enable_notify(&driver)) != 0)
        return false;
    say("sleep");
    if (DEVICE("get_avail", vring_device_get_avail(&device, iov, 2, &chain)) != 0)
        return false;
    say("work");
    if (DEVICE("add_used", vring_device_add_used(&device, chain.handle, 32)) != 0 ||
        DEVICE("publish", vring_device_publish(&device)) != 1)
        return false;
    say("notify");
    return DRIVER("get_used", vring_driver_get_used(&driver, &used)) == 0 && used.token == 7 && used.len == 32;
}

int main(int argc, char **argv)
{
    struct vring_driver_config ours = {.features = VRING_F_VERSION_1 | VRING_F_EVENT_IDX,
                                       .size = SIZE,
                                       VRING_AREAS(shared),
                                       .slots = slots,
                                       .slot_count = SIZE};
    struct vring_device_config theirs = {.features = VRING_F_VERSION_1 | VRING_F_EVENT_IDX,
                                         .size = SIZE,
                                         VRING_AREAS(shared),
                                         .heads = heads,
                                         .head_count = SIZE,
                                         .regions = &region,
                                         .region_count = 1};

    packed = argc > 1 && strcmp(argv[1], "packed") == 0;
    if (packed) {
        ours.features |= VRING_F_RING_PACKED;
        theirs.features |= VRING_F_RING_PACKED;
    }
    if (vring_driver_init(&driver, &ours) != 0 || vring_device_init(&device, &theirs) != 0)
        return 1;
    if (!warm_up())
        return 1;
    recording = true;
    return !request();
}
