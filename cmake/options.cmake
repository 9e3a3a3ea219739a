# SPDX-License-Identifier: MIT
# What a user may choose. Nothing here touches a target that is not ours.

# Which features of a ring are carried out, for firmware that knows its device: what is left out is refused by init, and
# its code folds away. The names are the spec's; those that there are stand in features.c alone.
set(VRING_BUILD_FEATURES "ALL" CACHE STRING "ALL, or those that are built, as VERSION_1;EVENT_IDX")
file(READ "${CMAKE_CURRENT_LIST_DIR}/../lib/vring/features.c" features_source)
string(REGEX MATCHALL "VRING_F_[A-Z0-9_]+" vring_known_features "${features_source}")
list(REMOVE_DUPLICATES vring_known_features)
list(TRANSFORM vring_known_features REPLACE "^VRING_F_" "")
list(SORT vring_known_features)
set(vring_leaves_out)
if(NOT VRING_BUILD_FEATURES STREQUAL "ALL")
    if(NOT VRING_BUILD_FEATURES)
        set(VRING_BUILD_FEATURES nothing)
    endif()
    foreach(feature IN LISTS VRING_BUILD_FEATURES)
        if(NOT feature IN_LIST vring_known_features)
            list(JOIN vring_known_features ", " known)
            message(FATAL_ERROR "vring: VRING_BUILD_FEATURES names '${feature}': it is ALL, or some of ${known}.")
        endif()
    endforeach()
    list(TRANSFORM VRING_BUILD_FEATURES PREPEND "VRING_F_" OUTPUT_VARIABLE features_built)
    list(JOIN features_built "|" features_built)
    list(APPEND vring_leaves_out "VRING_BUILD_FEATURES=(${features_built})")
endif()
option(VRING_BUILD_RESTART "Build what lets a queue go on after a restart: save, restore, recover" ON)
if(NOT VRING_BUILD_RESTART)
    list(APPEND vring_leaves_out VRING_BUILD_RESTART=0)
endif()
option(VRING_BUILD_REGIONS "Build what lets a device's memory be several regions, and come and go" ON)
if(NOT VRING_BUILD_REGIONS)
    list(APPEND vring_leaves_out VRING_BUILD_REGIONS=0)
endif()
option(VRING_BUILD_USED_LEN "Build what lets a driver live with a device whose used lengths are too long" ON)
if(NOT VRING_BUILD_USED_LEN)
    list(APPEND vring_leaves_out VRING_BUILD_USED_LEN=0)
endif()

# The tests are about all of it, and want an operating system to run on.
set(vring_build_tests ${PROJECT_IS_TOP_LEVEL})
if(vring_leaves_out OR CMAKE_SYSTEM_NAME STREQUAL "Generic")
    set(vring_build_tests OFF)
endif()
option(VRING_BUILD_TESTS "Build the C tests" ${vring_build_tests})
if(VRING_BUILD_TESTS AND vring_leaves_out)
    message(FATAL_ERROR "vring: VRING_BUILD_TESTS wants all features, and VRING_BUILD_FEATURES, VRING_BUILD_RESTART, VRING_BUILD_REGIONS or "
        "VRING_BUILD_USED_LEN leaves some out.")
endif()
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
