// SPDX-License-Identifier: MIT
//! Virtqueues in Rust behind the calls of `bench/side.h`: `driver` is virtio-drivers, `device` is virtio-queue.

mod device;
mod driver;

use core::ffi::{c_char, c_void};

/// `struct ring_config`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Config {
    pub packed: bool,
    pub event_idx: bool,
    pub in_order: bool,
    pub indirect: bool,
    pub size: u16,
    pub chain: u16,
    pub batch: u16,
}

/// `struct ring_shared`.
#[repr(C)]
pub struct Shared {
    pub base: *mut u8,
    pub data: *mut u8,
    pub desc: *mut c_void,
    pub driver_area: *mut c_void,
    pub device_area: *mut c_void,
    pub file: i32,
}

/// `RING_SHARED_SIZE`.
pub const SHARED_SIZE: usize = 256 * 1024;

/// `struct ring_driver`.
#[repr(C)]
pub struct DriverCalls {
    pub name: *const c_char,
    pub start: extern "C" fn(&Config, &mut Shared) -> *mut c_void,
    pub stop: extern "C" fn(*mut c_void),
    pub give: extern "C" fn(*mut c_void, u32) -> bool,
    pub take: extern "C" fn(*mut c_void, u32) -> u32,
    pub sleep: Option<extern "C" fn(*mut c_void) -> bool>,
    pub wake: Option<extern "C" fn(*mut c_void)>,
}

/// `struct ring_device`.
#[repr(C)]
pub struct DeviceCalls {
    pub name: *const c_char,
    pub start: extern "C" fn(&Config, &Shared) -> *mut c_void,
    pub stop: extern "C" fn(*mut c_void),
    pub turn: extern "C" fn(*mut c_void, u32, &mut bool) -> u32,
    pub sleep: Option<extern "C" fn(*mut c_void) -> bool>,
    pub wake: Option<extern "C" fn(*mut c_void)>,
    pub mate: *const DriverCalls,
    pub one_by_one: Option<extern "C" fn(*mut c_void, *mut c_void, usize) -> usize>,
}

// SAFETY: they hold function pointers and what never changes.
unsafe impl Sync for DriverCalls {}
// SAFETY: as above.
unsafe impl Sync for DeviceCalls {}
