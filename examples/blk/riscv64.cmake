# SPDX-License-Identifier: MIT
# QEMU's riscv64 `virt` machine without firmware, C library picolibc. RAM starts at 0x80000000; see board.shared_base
# for the end.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR riscv64)
set(CMAKE_C_COMPILER riscv64-unknown-elf-gcc)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_C_FLAGS_INIT "-ffreestanding --specs=picolibc.specs -march=rv64imac -mabi=lp64 -mcmodel=medany")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-Tpicolibc.ld")

set(BLK_BOARD riscv64)
set(BLK_MEMORY __flash=0x80000000 __flash_size=0x200000 __ram=0x80200000 __ram_size=0x1e00000)
