# SPDX-License-Identifier: MIT
# How a C test becomes a ctest. Included by tests/c alone.

find_package(Threads REQUIRED)

option(VRING_TEST_QUICK "Fewer rounds in tests that draw lots: for emulators and slow sanitizers" OFF)

add_library(vtest STATIC EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/tests/c/vtest_main.c")
target_include_directories(vtest PUBLIC "${PROJECT_SOURCE_DIR}/tests/c")
target_link_libraries(vtest PRIVATE vring_warnings)
target_compile_definitions(vtest PUBLIC $<$<BOOL:${VRING_TEST_QUICK}>:VTEST_QUICK>)
set_target_properties(vtest PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON)

# vring_add_variant(<name> <access>): the sources of libvring once more, as the library vring_<name>, with another way
# of touching shared memory: a variant of cmake/options.cmake, or a header, which may include those of lib/ by room.
get_target_property(vring_sources vring VRING_SOURCES)
function(vring_add_variant name access)
    set(variant vring_${name})
    add_library(${variant} STATIC EXCLUDE_FROM_ALL ${vring_sources})
    target_include_directories(${variant} PUBLIC "${PROJECT_SOURCE_DIR}/include" PRIVATE "${PROJECT_SOURCE_DIR}/lib")
    target_link_libraries(${variant} PRIVATE vring_warnings)
    set_target_properties(${variant} PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
    vring_set_access(${variant} "${access}")
endfunction()

# vring_plain, vring_volatile, ... vring_hook.
foreach(access IN LISTS vring_access_variants)
    string(TOLOWER "${access}" variant)
    vring_add_variant(${variant} ${access})
endforeach()

# vring_add_test(NAME <name> SOURCES <file>... [LIBS vring bounce] [ACCESS <variant>...] [LABELS <label>...])
#
# One executable of vtest tests, and one ctest of that name. Private headers are included by room: "vring/event.h",
# "bounce/runs.h". With ACCESS, one executable and one ctest <name>.<variant> for each, linked to that build of libvring
# in place of the one that LIBS would name; their code sees the same VRING_ACCESS_<variant>.
function(vring_add_test)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME" "SOURCES;LIBS;ACCESS;LABELS")
    if(arg_UNPARSED_ARGUMENTS OR NOT arg_NAME OR NOT arg_SOURCES)
        message(FATAL_ERROR "vring_add_test: NAME and SOURCES are needed; unknown: '${arg_UNPARSED_ARGUMENTS}'")
    endif()

    if(arg_ACCESS)
        foreach(access IN LISTS arg_ACCESS)
            string(TOLOWER "${access}" variant)
            list(TRANSFORM arg_LIBS REPLACE "^vring$" "vring_${variant}" OUTPUT_VARIABLE libs)
            vring_add_test_executable("${arg_NAME}.${variant}" "${libs}")
            vring_set_access("test_${arg_NAME}.${variant}" ${access})
        endforeach()
    else()
        vring_add_test_executable("${arg_NAME}" "${arg_LIBS}")
    endif()
endfunction()

# Part of vring_add_test, with its arguments.
macro(vring_add_test_executable name libs)
    set(test "test_${name}")
    add_executable(${test} ${arg_SOURCES})
    target_include_directories(${test} PRIVATE "${PROJECT_SOURCE_DIR}/lib")
    target_link_libraries(${test} PRIVATE vtest ${libs} Threads::Threads vring_warnings)
    set_target_properties(${test} PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON)
    add_test(NAME "${name}" COMMAND ${test})
    set_tests_properties("${name}" PROPERTIES LABELS "unit;${arg_LABELS}")
endmacro()
