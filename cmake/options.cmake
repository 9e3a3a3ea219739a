# SPDX-License-Identifier: MIT
# What a user may choose. Nothing here touches a target that is not ours.

option(VRING_BUILD_TESTS "Build the C tests" ${PROJECT_IS_TOP_LEVEL})
option(VRING_BUILD_EXAMPLES "Build the examples that run on this system" ${PROJECT_IS_TOP_LEVEL})
option(VRING_BUILD_BENCH "Build the benchmarks, which need C++ and google-benchmark" OFF)
option(VRING_BENCH_PEERS "Build other people's rings too, from what package registries have" OFF)
option(VRING_BUILD_PYTHON "Build the extension module of the Python package" OFF)
option(VRING_INSTALL "Make install rules" ${PROJECT_IS_TOP_LEVEL})
option(VRING_WERROR "Treat warnings in our own sources as errors" OFF)

# How shared memory is loaded and stored: see lib/vring/access.h.
set(VRING_ACCESS "ACQREL" CACHE STRING "PLAIN, VOLATILE, RELAXED, ACQREL, HOOK, or the path of a header of your own")
set(vring_access_variants PLAIN VOLATILE RELAXED ACQREL HOOK)
set_property(CACHE VRING_ACCESS PROPERTY STRINGS ${vring_access_variants})

# Who is told of every access: see lib/vring/access_watched.h.
set(VRING_MEMORY "" CACHE FILEPATH "A header with cache maintenance, or a log of what is written, for every access")

# A shared library wants a list of what it exports, which we have for ELF linkers.
set(VRING_SHARED)
if(BUILD_SHARED_LIBS)
    get_property(has_shared GLOBAL PROPERTY TARGET_SUPPORTS_SHARED_LIBS)
    if(NOT has_shared OR NOT CMAKE_EXECUTABLE_FORMAT STREQUAL "ELF")
        message(FATAL_ERROR "vring: shared libraries are made for ELF systems only. Leave BUILD_SHARED_LIBS off: the "
            "libraries are a few kilobytes and have no state to share.")
    endif()
    set(VRING_SHARED SHARED)
endif()
