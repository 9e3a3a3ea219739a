# SPDX-License-Identifier: MIT
# Installs headers, libraries, the CMake package "vring" and one pkg-config file per library.
include(CMakePackageConfigHelpers)

if(VRING_ACCESS MATCHES "^(PLAIN|HOOK)$")
    # PLAIN is wrong code kept for comparison; HOOK leaves its callbacks to a checker.
    set(refusal "vring: a library built with VRING_ACCESS=${VRING_ACCESS} is for tests, not for use.")
    install(CODE "message(FATAL_ERROR \"${refusal}\")")
endif()

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/vring")
install(TARGETS vring bounce bounced EXPORT vring
    ARCHIVE COMPONENT Development
    LIBRARY COMPONENT Runtime NAMELINK_COMPONENT Development
    FILE_SET HEADERS COMPONENT Development)
install(EXPORT vring NAMESPACE vring:: FILE vring-targets.cmake DESTINATION "${package_dir}" COMPONENT Development)

write_basic_package_version_file("${PROJECT_BINARY_DIR}/vring-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES cmake/vring-config.cmake "${PROJECT_BINARY_DIR}/vring-config-version.cmake"
    DESTINATION "${package_dir}" COMPONENT Development)

# The prefix is found from where the .pc file lies, so that an installed tree can be moved.
set(pkgconfig_dir "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
    set(pc_prefix "${CMAKE_INSTALL_PREFIX}")
    set(pc_libdir "${CMAKE_INSTALL_FULL_LIBDIR}")
    set(pc_includedir "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
else()
    file(RELATIVE_PATH up "/${pkgconfig_dir}" "/")
    string(REGEX REPLACE "/$" "" up "${up}")
    set(pc_prefix "\${pcfiledir}/${up}")
    set(pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
    set(pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()

# vring_install_pkgconfig(<name> <description> [VARIABLES <name>=<value>...] [REQUIRES <other library>...])
function(vring_install_pkgconfig name description)
    cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "VARIABLES;REQUIRES")
    list(JOIN arg_VARIABLES "\n" variables)
    list(JOIN arg_REQUIRES " " requires)
    configure_file(cmake/pkgconfig.pc.in "${name}.pc" @ONLY)
    install(FILES "${PROJECT_BINARY_DIR}/${name}.pc" DESTINATION "${pkgconfig_dir}" COMPONENT Development)
endfunction()
list(JOIN VRING_BUILD_FEATURES " " features)
vring_install_pkgconfig(vring "Virtqueues: driver side and device side" VARIABLES "features=${features}" "restart=${VRING_BUILD_RESTART}"
    "regions=${VRING_BUILD_REGIONS}" "used_len=${VRING_BUILD_USED_LEN}")
vring_install_pkgconfig(bounce "A pool of bounce-buffer slots")
vring_install_pkgconfig(bounced "A driver queue whose buffers go through a bounce pool" REQUIRES vring bounce)
