# SPDX-License-Identifier: MIT
# find_package(vring [COMPONENTS vring bounce bounced]) gives vring::vring, vring::bounce and vring::bounced, which is
# both together.
include("${CMAKE_CURRENT_LIST_DIR}/vring-targets.cmake")

foreach(component IN LISTS vring_FIND_COMPONENTS)
    if(TARGET vring::${component})
        set(vring_${component}_FOUND TRUE)
    elseif(vring_FIND_REQUIRED_${component})
        set(vring_FOUND FALSE)
        set(vring_NOT_FOUND_MESSAGE "vring has no component '${component}': there are vring, bounce and bounced.")
    endif()
endforeach()
