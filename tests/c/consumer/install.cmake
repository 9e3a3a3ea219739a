# SPDX-License-Identifier: MIT
# cmake -DBUILD=.. -DPREFIX=.. -DEXPECTED=..;.. -P install.cmake
# installs, moves what was installed, and looks at every file of it.
cmake_minimum_required(VERSION 3.23)

file(REMOVE_RECURSE "${PREFIX}" "${PREFIX}.before")
execute_process(COMMAND "${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${PREFIX}.before" COMMAND_ERROR_IS_FATAL ANY)
file(RENAME "${PREFIX}.before" "${PREFIX}")

file(GLOB_RECURSE installed RELATIVE "${PREFIX}" "${PREFIX}/*")
list(SORT installed)
list(SORT EXPECTED)
if(NOT installed STREQUAL EXPECTED)
    list(JOIN installed "\n  " installed)
    list(JOIN EXPECTED "\n  " EXPECTED)
    message(FATAL_ERROR "installed:\n  ${installed}\nexpected:\n  ${EXPECTED}")
endif()
foreach(file IN LISTS installed)
    file(READ "${PREFIX}/${file}" text)
    string(FIND "${text}" "${PREFIX}.before" at)
    if(NOT at EQUAL -1 AND NOT file MATCHES "\\.a$")
        message(FATAL_ERROR "${file} names the folder it was installed in, and cannot be moved")
    endif()
endforeach()
