# SPDX-License-Identifier: MIT
# QEMU's aarch64 `virt` machine without firmware, C library picolibc. RAM starts at 0x40000000, where QEMU leaves its
# device tree.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(specs /usr/lib/picolibc/aarch64-linux-gnu/picolibc.specs)
set(CMAKE_C_FLAGS_INIT "-ffreestanding --specs=${specs}")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-static -T/usr/lib/picolibc/aarch64-linux-gnu/lib/picolibc.ld")

set(BLK_BOARD aarch64)
set(BLK_MEMORY __flash=0x40400000 __flash_size=0x400000 __ram=0x40800000 __ram_size=0x1800000)
