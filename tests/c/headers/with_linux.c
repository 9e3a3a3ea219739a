/* SPDX-License-Identifier: MIT */
/* All our headers and Linux' own in one file, in either order: no name may mean two things. */
#ifdef LINUX_FIRST
#include <linux/virtio_ring.h>
#endif

#include <bounced/bounced.h>
#include <vring/vring.h>

#include <linux/virtio_ring.h>

struct both {
    struct vring theirs;
    struct vring_split_ring ours;
};
