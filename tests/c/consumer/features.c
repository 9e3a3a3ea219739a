/* SPDX-License-Identifier: MIT */
/* What a library says that was built with VERSION_1 and EVENT_IDX alone. */
#include <vring/vring.h>

int main(void)
{
    return vring_features_supported(0) != (VRING_F_VERSION_1 | VRING_F_EVENT_IDX);
}
