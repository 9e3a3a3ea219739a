# SPDX-License-Identifier: MIT
include(GNUInstallDirs)

# Warnings are for us alone: a private property of our targets, and only when we are the top level.
add_library(vring_warnings INTERFACE)
if(PROJECT_IS_TOP_LEVEL)
    target_compile_options(vring_warnings INTERFACE
        -Wall -Wextra -Wpedantic -Wconversion -Wshadow $<$<BOOL:${VRING_WERROR}>:-Werror>)
endif()

# vring_add_library(<name> [SHARED] [ACCESS <variant or header>] PUBLIC_HEADERS <file>... SOURCES <file>...)
#
# Declares one of our libraries. Its sources are remembered in the property VRING_SOURCES, so that the tests can build
# the same files in other ways.
function(vring_add_library name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "SHARED" "ACCESS" "PUBLIC_HEADERS;SOURCES")

    if(arg_SHARED)
        add_library(${name} SHARED)
        set(exports "${PROJECT_BINARY_DIR}/${name}.map")
        vring_write_exports("${exports}" ${arg_PUBLIC_HEADERS})
        target_link_options(${name} PRIVATE "LINKER:--version-script=${exports}" LINKER:--no-undefined)
        set_target_properties(${name} PROPERTIES
            LINK_DEPENDS "${exports}"
            VERSION ${PROJECT_VERSION}
            SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
    else()
        add_library(${name} STATIC)
        set_target_properties(${name} PROPERTIES C_VISIBILITY_PRESET hidden)
    endif()
    add_library(vring::${name} ALIAS ${name})

    list(TRANSFORM arg_SOURCES PREPEND "${PROJECT_SOURCE_DIR}/")
    target_sources(${name}
        PRIVATE ${arg_SOURCES}
        PUBLIC FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}/include" FILES ${arg_PUBLIC_HEADERS})
    target_link_libraries(${name} PRIVATE $<BUILD_INTERFACE:vring_warnings>)
    set_target_properties(${name} PROPERTIES
        C_STANDARD 11
        C_STANDARD_REQUIRED ON
        C_EXTENSIONS OFF
        VRING_SOURCES "${arg_SOURCES}")
    if(VRING_BUILD_PYTHON)
        set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    endif()
    if(PROJECT_IS_TOP_LEVEL)
        target_compile_options(${name} PRIVATE -Wc++-compat)
    endif()
    if(arg_ACCESS)
        vring_set_access(${name} "${arg_ACCESS}")
        if(VRING_MEMORY)
            get_filename_component(memory "${VRING_MEMORY}" ABSOLUTE)
            target_compile_definitions(${name} PRIVATE "VRING_MEMORY_HEADER=\"${memory}\"")
        endif()
    endif()
endfunction()

# Writes the linker's list of what a shared library exports: the functions that its public headers declare, and no more.
function(vring_write_exports file)
    set(functions)
    foreach(header IN LISTS ARGN)
        set_property(DIRECTORY "${PROJECT_SOURCE_DIR}" APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${header}")
        file(STRINGS "${header}" declarations REGEX "^[a-z][A-Za-z0-9_ ]*[ *][a-z0-9_]+\\(")
        list(FILTER declarations EXCLUDE REGEX "^static ")
        foreach(declaration IN LISTS declarations)
            string(REGEX MATCH "([a-z0-9_]+)\\(" ignored "${declaration}")
            list(APPEND functions ${CMAKE_MATCH_1})
        endforeach()
    endforeach()
    list(JOIN functions "; " functions)
    file(CONFIGURE OUTPUT "${file}" CONTENT "{ global: ${functions}; local: *; };\n")
endfunction()

# Chooses how a build of libvring touches shared memory.
function(vring_set_access target access)
    if(access IN_LIST vring_access_variants)
        target_compile_definitions(${target} PRIVATE VRING_ACCESS_${access})
    elseif(EXISTS "${access}" AND NOT IS_DIRECTORY "${access}")
        get_filename_component(header "${access}" ABSOLUTE)
        target_compile_definitions(${target} PRIVATE "VRING_ACCESS_HEADER=\"${header}\"")
    else()
        list(JOIN vring_access_variants ", " known)
        message(FATAL_ERROR "vring: VRING_ACCESS is '${access}': neither one of ${known}, nor a header that exists.")
    endif()
endfunction()
