# SPDX-License-Identifier: MIT
# cmake -DLIBRARY=.. -DHEADERS=..;.. -P exports.cmake
# A shared library exports what its public headers declare, no more and no less.
cmake_minimum_required(VERSION 3.23)

execute_process(COMMAND nm -D --defined-only "${LIBRARY}" OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL " [A-Z] [a-z0-9_]+" exported "${symbols}")
list(TRANSFORM exported REPLACE " [A-Z] " "")
list(SORT exported)

# What the preprocessor leaves of the headers, one declaration a line; not the grep by which the list was made.
set(declared)
foreach(header IN LISTS HEADERS)
    file(READ "${header}" text)
    string(REGEX REPLACE "/\\*([^*]|\\*+[^*/])*\\*+/" "" text "${text}")
    string(REGEX MATCHALL "[ *](vring|bounced?)_[a-z0-9_]+\\([^;{]*\\);" functions "${text}")
    foreach(function IN LISTS functions)
        string(REGEX MATCH "(vring|bounced?)_[a-z0-9_]+" name "${function}")
        list(APPEND declared ${name})
    endforeach()
endforeach()
list(SORT declared)

list(LENGTH declared count)
if(count LESS 5 OR NOT exported STREQUAL declared)
    message(FATAL_ERROR "exported: ${exported}\ndeclared: ${declared}")
endif()
message(STATUS "${count} functions exported")
