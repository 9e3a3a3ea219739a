# SPDX-License-Identifier: MIT
# cmake -DROOT=.. -DWORK=.. -DCC=.. -DFLAGS=.. -DSOURCES=..;.. -P check.cmake
#
# Builds SOURCES as firmware would, with no C library in sight, into one object, and looks at what that object wants:
#   headers    the compiler's own, of a short list, and ours
#   functions  those that a compiler calls by itself anyway: memcpy, memset, memcmp, memmove
#   memory     no variable that outlives a call: neither initialised nor zeroed data
cmake_minimum_required(VERSION 3.23)

set(allowed_headers stdint.h stdint-gcc.h stddef.h stdbool.h stdatomic.h)
set(allowed_functions memcpy memset memcmp memmove)
set(linkers_own "^(\\.TOC\\.|_(save|rest)gpr0_[0-9]+)$") # powerpc64: its linker brings these along
set(compile "${CC}" ${FLAGS} -std=c11 -Os -ffreestanding -fno-pic -fno-asynchronous-unwind-tables -I "${ROOT}/include")

# CMake leaves a message that starts with a space as it is: no line breaks.
function(refuse what)
    message(FATAL_ERROR " not freestanding: ${what}")
endfunction()

# run(<variable for the output> <command>...)
function(run output)
    execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE text ERROR_VARIABLE errors RESULT_VARIABLE result)
    if(NOT result EQUAL 0)
        list(JOIN ARGN " " command)
        message(FATAL_ERROR "failed (${result}): ${command}\n${errors}")
    endif()
    string(STRIP "${text}" text)
    set(${output} "${text}" PARENT_SCOPE)
endfunction()

# The files that a source includes, itself among them, as a list.
function(get_includes source output)
    run(rule ${compile} -M -MT x "${source}")
    string(REPLACE "\\ " "?" rule "${rule}")
    string(REGEX REPLACE "^x: *" "" rule "${rule}")
    string(REGEX REPLACE "[ \\\n]+" ";" files "${rule}")
    string(REPLACE "?" " " files "${files}")
    set(${output} "${files}" PARENT_SCOPE)
endfunction()

if(NOT SOURCES)
    refuse("no sources: nothing would be checked")
endif()
file(MAKE_DIRECTORY "${WORK}")
run(compiler_headers "${CC}" ${FLAGS} -print-file-name=include)
file(REAL_PATH "${compiler_headers}" compiler_headers)
file(REAL_PATH "${ROOT}" root)
set(objects)
foreach(source IN LISTS SOURCES)
    get_includes("${source}" includes)
    foreach(header IN LISTS includes)
        file(REAL_PATH "${header}" header)
        cmake_path(GET header FILENAME header_name)
        cmake_path(IS_PREFIX root "${header}" is_ours)
        cmake_path(IS_PREFIX compiler_headers "${header}" is_the_compilers)
        if(NOT is_ours AND NOT (is_the_compilers AND header_name IN_LIST allowed_headers))
            refuse("${source} includes ${header}")
        endif()
    endforeach()

    cmake_path(RELATIVE_PATH source BASE_DIRECTORY "${ROOT}" OUTPUT_VARIABLE object)
    string(REPLACE "/" "_" object "${object}")
    set(object "${WORK}/${object}.o")
    run(ignored ${compile} -c "${source}" -o "${object}")
    list(APPEND objects "${object}")
endforeach()

set(whole "${WORK}/whole.o")
run(ignored "${CC}" ${FLAGS} -nostdlib -no-pie -r -o "${whole}" ${objects})
run(nm "${CC}" ${FLAGS} -print-prog-name=nm)
run(size "${CC}" ${FLAGS} -print-prog-name=size)

run(undefined "${nm}" -u "${whole}")
string(REGEX MATCHALL "[A-Za-z_.$][A-Za-z0-9_.$]*" undefined "${undefined}")
list(REMOVE_ITEM undefined U w v ${allowed_functions})
list(FILTER undefined EXCLUDE REGEX "${linkers_own}")
if(undefined)
    list(JOIN undefined ", " undefined)
    refuse("calls ${undefined}")
endif()

run(defined "${nm}" --defined-only "${whole}")
string(REGEX MATCHALL "[0-9a-f]+ [dDbBcCgGsS] [^\n]+" variables "${defined}")
if(variables)
    refuse("keeps a variable: ${variables}")
endif()
if(NOT defined MATCHES " T ")
    refuse("defines no function: nothing was checked")
endif()

run(sizes "${size}" "${whole}")
string(REGEX MATCH "\n *([0-9]+)" ignored "${sizes}")
message(STATUS "${CMAKE_MATCH_1} bytes of code and constants; needs nothing but the compiler's ${allowed_functions}")
