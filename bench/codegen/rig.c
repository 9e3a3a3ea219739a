/* SPDX-License-Identifier: MIT */
/* What every rig needs: the notebook of intended accesses, and the two functions that a compiler may call. */
#include "rig.h"

#include <stddef.h>

volatile uint32_t intent_count;
struct intent intents[256];
volatile uint64_t rig_result;

void *memset(void *to, int value, size_t size);
void *memcpy(void *restrict to, const void *restrict from, size_t size);

void *memset(void *to, int value, size_t size)
{
    volatile unsigned char *p = (volatile unsigned char *)to;

    while (size-- > 0)
        *p++ = (unsigned char)value;
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    volatile unsigned char *p = (volatile unsigned char *)to;
    const unsigned char *q = (const unsigned char *)from;

    while (size-- > 0)
        *p++ = *q++;
    return to;
}

#if defined(__arm__)
/* The names by which clang calls them there; size and value of memset the other way round. */
void __aeabi_memcpy(void *to, const void *from, size_t size);
void __aeabi_memcpy4(void *to, const void *from, size_t size);
void __aeabi_memcpy8(void *to, const void *from, size_t size);
void __aeabi_memclr(void *to, size_t size);
void __aeabi_memclr4(void *to, size_t size);
void __aeabi_memclr8(void *to, size_t size);
void __aeabi_memset(void *to, size_t size, int value);

void __aeabi_memcpy(void *to, const void *from, size_t size) { memcpy(to, from, size); }
void __aeabi_memcpy4(void *to, const void *from, size_t size) { memcpy(to, from, size); }
void __aeabi_memcpy8(void *to, const void *from, size_t size) { memcpy(to, from, size); }
void __aeabi_memclr(void *to, size_t size) { memset(to, 0, size); }
void __aeabi_memclr4(void *to, size_t size) { memset(to, 0, size); }
void __aeabi_memclr8(void *to, size_t size) { memset(to, 0, size); }
void __aeabi_memset(void *to, size_t size, int value) { memset(to, value, size); }
#endif

#if defined(VRING_ACCESS_HOOK)
#include "access.h"

static void intend(uint32_t kind, const void *p, size_t width)
{
    if (intent_count < 256) {
        intents[intent_count].kind = kind;
        intents[intent_count].width = (uint32_t)width;
        intents[intent_count].address = (uintptr_t)p;
        intent_count++;
    }
}

uint64_t vring_hook_load(const void *p, size_t width, enum vring_hook_order order)
{
    (void)order;
    intend(INTENT_LOAD, p, width);
    switch (width) {
    case 1: return *(const volatile uint8_t *)p;
    case 2: return *(const volatile uint16_t *)p;
    case 4: return *(const volatile uint32_t *)p;
    default: return *(const volatile uint64_t *)p;
    }
}

void vring_hook_store(void *p, size_t width, uint64_t v, enum vring_hook_order order)
{
    (void)order;
    intend(INTENT_STORE, p, width);
    switch (width) {
    case 1: *(volatile uint8_t *)p = (uint8_t)v; break;
    case 2: *(volatile uint16_t *)p = (uint16_t)v; break;
    case 4: *(volatile uint32_t *)p = (uint32_t)v; break;
    default: *(volatile uint64_t *)p = v;
    }
}

void vring_hook_fence(void)
{
    intend(INTENT_FENCE, NULL, 0);
}
#endif
