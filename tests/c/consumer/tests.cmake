# SPDX-License-Identifier: MIT
# The ways in which a user gets at the libraries, each from nothing: see CMakeLists.txt, which is that user's.

set(here "${CMAKE_CURRENT_LIST_DIR}")
set(work "${CMAKE_CURRENT_BINARY_DIR}/consumer")

# -------------------------------------------------------------------------------------------------------- installed ---

get_target_property(vring_headers vring HEADER_SET)
get_target_property(bounce_headers bounce HEADER_SET)
get_target_property(bounced_headers bounced HEADER_SET)
set(expected)
foreach(header IN LISTS vring_headers bounce_headers bounced_headers)
    cmake_path(RELATIVE_PATH header BASE_DIRECTORY "${PROJECT_SOURCE_DIR}" OUTPUT_VARIABLE file)
    list(APPEND expected "${file}")
endforeach()
string(TOLOWER "${CMAKE_BUILD_TYPE}" configuration)
list(APPEND expected
    lib/libbounce.a
    lib/libbounced.a
    lib/libvring.a
    lib/cmake/vring/vring-config.cmake
    lib/cmake/vring/vring-config-version.cmake
    lib/cmake/vring/vring-targets.cmake
    lib/cmake/vring/vring-targets-${configuration}.cmake
    lib/pkgconfig/bounce.pc
    lib/pkgconfig/bounced.pc
    lib/pkgconfig/vring.pc)

add_test(NAME consumer.install COMMAND "${CMAKE_COMMAND}" "-DBUILD=${PROJECT_BINARY_DIR}" "-DPREFIX=${work}/prefix"
    "-DEXPECTED=${expected}" -P "${here}/install.cmake")
set_tests_properties(consumer.install PROPERTIES FIXTURES_SETUP installed)

# -------------------------------------------------------------------------------------------------------- consumers ---

# add_consumer_test(<name> <how> <language> [<property> <value>]...)
function(add_consumer_test name how language)
    set(args -DHOW=${how} -DLANGUAGE=${language}
        "-DVRING_SOURCE=${PROJECT_SOURCE_DIR}" "-DCMAKE_PREFIX_PATH=${work}/prefix")
    add_test(NAME "consumer.${name}" COMMAND "${CMAKE_COMMAND}"
        "-DSOURCE=${here}" "-DBUILD=${work}/${name}" "-DARGS=${args}" -P "${here}/build.cmake")
    set_tests_properties("consumer.${name}" PROPERTIES FIXTURES_REQUIRED installed ${ARGN})
endfunction()

add_consumer_test(find_package find_package C)
add_consumer_test(fetch_content fetch_content C)
add_consumer_test(add_subdirectory add_subdirectory C)
add_consumer_test(c++17 find_package CXX)
add_test(NAME consumer.pkg_config WORKING_DIRECTORY "${work}" COMMAND
    sh -c "cc ${here}/main.c $(pkg-config --cflags --libs vring bounce) -o with_pkg_config && ./with_pkg_config")
set_tests_properties(consumer.pkg_config PROPERTIES
    FIXTURES_REQUIRED installed ENVIRONMENT "PKG_CONFIG_PATH=${work}/prefix/lib/pkgconfig")

add_consumer_test(refuses.version find_package_too_new C
    PASS_REGULAR_EXPRESSION "considered but not accepted")
add_consumer_test(refuses.component find_package_unknown_component C
    PASS_REGULAR_EXPRESSION "no component 'packed_lunch'")

# ---------------------------------------------------------------------------------------------------------- options ---

# add_configure_test(<name> <target> <argument>...): configures the tree itself, builds the target.
function(add_configure_test name target)
    add_test(NAME "consumer.${name}" COMMAND "${CMAKE_CTEST_COMMAND}"
        --build-and-test "${PROJECT_SOURCE_DIR}" "${work}/${name}" --build-generator Ninja --build-target ${target}
        --build-options -DVRING_BUILD_TESTS=OFF
            "-DCMAKE_INSTALL_PREFIX=${work}/${name}.prefix" -DCMAKE_INSTALL_LIBDIR=lib ${ARGN})
endfunction()

add_configure_test(shared install -DBUILD_SHARED_LIBS=ON)
set_tests_properties(consumer.shared PROPERTIES FIXTURES_SETUP shared)
add_test(NAME consumer.shared.find_package COMMAND "${CMAKE_COMMAND}"
    "-DSOURCE=${here}" "-DBUILD=${work}/shared.find_package"
    "-DARGS=-DHOW=find_package;-DLANGUAGE=C;-DCMAKE_PREFIX_PATH=${work}/shared.prefix" -P "${here}/build.cmake")
set_tests_properties(consumer.shared.find_package PROPERTIES FIXTURES_REQUIRED shared)
foreach(library IN ITEMS vring bounce bounced)
    add_test(NAME consumer.shared.${library}_exports COMMAND "${CMAKE_COMMAND}"
        "-DLIBRARY=${work}/shared.prefix/lib/lib${library}.so" "-DHEADERS=${${library}_headers}"
        -P "${here}/exports.cmake")
    set_tests_properties(consumer.shared.${library}_exports PROPERTIES FIXTURES_REQUIRED shared)
endforeach()

add_configure_test(own_accessors install "-DVRING_ACCESS=${PROJECT_SOURCE_DIR}/lib/vring/access_volatile.h")

# Fewer features: what is installed says which, to CMake, to pkg-config, and to a program that uses it.
add_configure_test(features install "-DVRING_BUILD_FEATURES=VERSION_1\\;EVENT_IDX" -DVRING_BUILD_RESTART=OFF -DVRING_BUILD_REGIONS=OFF
    -DVRING_BUILD_USED_LEN=OFF)
set_tests_properties(consumer.features PROPERTIES FIXTURES_SETUP features)
add_test(NAME consumer.features.pkg_config COMMAND pkg-config --variable=features vring)
set_tests_properties(consumer.features.pkg_config PROPERTIES FIXTURES_REQUIRED features
    ENVIRONMENT "PKG_CONFIG_PATH=${work}/features.prefix/lib/pkgconfig" PASS_REGULAR_EXPRESSION "^VERSION_1 EVENT_IDX\n$")
add_test(NAME consumer.features.pkg_config_restart COMMAND pkg-config --variable=restart vring)
set_tests_properties(consumer.features.pkg_config_restart PROPERTIES FIXTURES_REQUIRED features
    ENVIRONMENT "PKG_CONFIG_PATH=${work}/features.prefix/lib/pkgconfig" PASS_REGULAR_EXPRESSION "^OFF\n$")
add_test(NAME consumer.features.pkg_config_regions COMMAND pkg-config --variable=regions vring)
set_tests_properties(consumer.features.pkg_config_regions PROPERTIES FIXTURES_REQUIRED features
    ENVIRONMENT "PKG_CONFIG_PATH=${work}/features.prefix/lib/pkgconfig" PASS_REGULAR_EXPRESSION "^OFF\n$")
add_test(NAME consumer.features.find_package COMMAND "${CMAKE_COMMAND}"
    "-DSOURCE=${here}" "-DBUILD=${work}/features.find_package"
    "-DARGS=-DHOW=find_package;-DLANGUAGE=C;-DCMAKE_PREFIX_PATH=${work}/features.prefix;-DFEATURES=VERSION_1\\;EVENT_IDX"
    -P "${here}/build.cmake")
set_tests_properties(consumer.features.find_package PROPERTIES FIXTURES_REQUIRED features)
add_configure_test(refuses.feature all -DVRING_BUILD_FEATURES=PACKED_LUNCH)
set_tests_properties(consumer.refuses.feature PROPERTIES
    PASS_REGULAR_EXPRESSION "VRING_BUILD_FEATURES names 'PACKED_LUNCH'.* of[ \n]+ACCESS_PLATFORM, ANY_LAYOUT")
add_configure_test(refuses.no_feature all -DVRING_BUILD_FEATURES=)
set_tests_properties(consumer.refuses.no_feature PROPERTIES PASS_REGULAR_EXPRESSION "VRING_BUILD_FEATURES names 'nothing'")
add_configure_test(refuses.tests_of_some_features all -DVRING_BUILD_RESTART=OFF -DVRING_BUILD_TESTS=ON)
set_tests_properties(consumer.refuses.tests_of_some_features PROPERTIES PASS_REGULAR_EXPRESSION "VRING_BUILD_TESTS wants all features")

add_configure_test(refuses.access all -DVRING_ACCESS=SEQCST)
set_tests_properties(consumer.refuses.access PROPERTIES PASS_REGULAR_EXPRESSION "VRING_ACCESS is 'SEQCST'")
add_configure_test(refuses.plain_install install -DVRING_ACCESS=PLAIN)
set_tests_properties(consumer.refuses.plain_install PROPERTIES PASS_REGULAR_EXPRESSION "for tests, not for use")
add_configure_test(refuses.shared_firmware all -DBUILD_SHARED_LIBS=ON -DCMAKE_SYSTEM_NAME=Generic
    -DCMAKE_C_COMPILER=arm-none-eabi-gcc -DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY)
set_tests_properties(consumer.refuses.shared_firmware PROPERTIES PASS_REGULAR_EXPRESSION "BUILD_SHARED_LIBS off")

get_property(tests DIRECTORY PROPERTY TESTS)
list(FILTER tests INCLUDE REGEX "^consumer\\.")
set_property(TEST ${tests} APPEND PROPERTY LABELS tree consumer)
