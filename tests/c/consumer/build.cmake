# SPDX-License-Identifier: MIT
# cmake -DSOURCE=.. -DBUILD=.. -DARGS=-D..;-D.. -P build.cmake
# configures, builds and runs a user's project from nothing.
cmake_minimum_required(VERSION 3.23)

file(REMOVE_RECURSE "${BUILD}")
execute_process(COMMAND "${CMAKE_COMMAND}" -S "${SOURCE}" -B "${BUILD}" -G Ninja --no-warn-unused-cli ${ARGS}
    COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND "${CMAKE_COMMAND}" --build "${BUILD}" COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND "${BUILD}/consumer" COMMAND_ERROR_IS_FATAL ANY)
