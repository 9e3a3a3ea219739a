// SPDX-License-Identifier: MIT
//! The device side of virtio-queue, in guest memory of vm-memory, in the three ways in which it can be used:
//!
//! * `pop`: `pop_descriptor_chain()`, one buffer after the other;
//! * `iter`: `iter()`, which reads avail.idx once for all buffers that are there;
//! * `slices`: as `iter`, and every piece is looked up in guest memory (`get_slice()`), so that the device could touch
//!   it. The other two walk the descriptors and leave that undone.

use crate::{Config, DeviceCalls, Shared, SHARED_SIZE};
use core::ffi::c_void;
use virtio_queue::desc::split::Descriptor;
use virtio_queue::{Queue, QueueOwnedT, QueueT};
use vm_memory::{GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestRegionMmap, MmapRegion};

type Memory = GuestMemoryMmap<()>;

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Pop,
    Iter,
    Slices,
}

#[repr(align(128))]
struct Device {
    queue: Queue,
    memory: Memory,
    written: u32,
    bytes: u64, /* of each buffer */
    heads: [u16; 1024],
}

impl Device {
    fn new(config: &Config, shared: &Shared) -> Self {
        // SAFETY: the memory outlives the device, is readable and writable, and stays the caller's.
        let region = unsafe {
            MmapRegion::build_raw(
                shared.base,
                SHARED_SIZE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            )
        };
        let region = GuestRegionMmap::new(region.expect("a mapping"), GuestAddress(shared.base as u64));
        let memory = Memory::from_regions(vec![region.expect("a region")]).expect("guest memory");
        let mut queue = Queue::new(config.size).expect("a queue");
        queue.set_size(config.size);
        queue.set_event_idx(config.event_idx);
        queue.try_set_desc_table_address(GuestAddress(shared.desc as u64)).expect("descriptors");
        queue.try_set_avail_ring_address(GuestAddress(shared.driver_area as u64)).expect("avail");
        queue.try_set_used_ring_address(GuestAddress(shared.device_area as u64)).expect("used");
        queue.set_ready(true);
        queue.disable_notification(&memory).expect("disable_notification");
        let (written, bytes) = if config.chain == 1 { (0, 64) } else { (65, 81) };
        Self { queue, memory, written, bytes, heads: [0; 1024] }
    }

    #[inline]
    fn pop(&mut self, n: u32) -> u32 {
        for done in 0..n {
            let Some(chain) = self.queue.pop_descriptor_chain(&self.memory) else { return done };
            let head = chain.head_index();
            assert_eq!(chain.map(|desc| u64::from(desc.len())).sum::<u64>(), self.bytes);
            self.queue.add_used(&self.memory, head, self.written).expect("add_used");
        }
        n
    }

    #[inline]
    fn iter(&mut self, n: u32, slices: bool) -> u32 {
        let mut done = 0;
        for chain in self.queue.iter(&self.memory).expect("iter").take(n as usize) {
            self.heads[done] = chain.head_index();
            done += 1;
            let length = |desc: Descriptor| {
                if slices {
                    self.memory.get_slice(desc.addr(), desc.len() as usize).expect("get_slice").len() as u64
                } else {
                    u64::from(desc.len())
                }
            };
            assert_eq!(chain.map(length).sum::<u64>(), self.bytes);
        }
        for head in &self.heads[..done] {
            self.queue.add_used(&self.memory, *head, self.written).expect("add_used");
        }
        done as u32
    }
}

extern "C" fn start(config: &Config, shared: &Shared) -> *mut c_void {
    if config.packed || config.in_order || config.indirect {
        return core::ptr::null_mut(); /* other people's tables lie outside the memory that this device knows */
    }
    Box::into_raw(Box::new(Device::new(config, shared))).cast()
}

extern "C" fn stop(device: *mut c_void) {
    // SAFETY: it came from start().
    drop(unsafe { Box::from_raw(device.cast::<Device>()) });
}

#[inline]
fn turn(device: *mut c_void, n: u32, notify: &mut bool, way: Way) -> u32 {
    // SAFETY: it came from start(), and one thread uses it.
    let device = unsafe { &mut *device.cast::<Device>() };
    let done = if way == Way::Pop { device.pop(n) } else { device.iter(n, way == Way::Slices) };
    if done > 0 {
        *notify = device.queue.needs_notification(&device.memory).expect("needs_notification");
    }
    done
}

extern "C" fn turn_pop(device: *mut c_void, n: u32, notify: &mut bool) -> u32 {
    turn(device, n, notify, Way::Pop)
}

extern "C" fn turn_iter(device: *mut c_void, n: u32, notify: &mut bool) -> u32 {
    turn(device, n, notify, Way::Iter)
}

extern "C" fn turn_slices(device: *mut c_void, n: u32, notify: &mut bool) -> u32 {
    turn(device, n, notify, Way::Slices)
}

const POP: DeviceCalls = DeviceCalls {
    name: c"virtio-queue pop".as_ptr(),
    start,
    stop,
    turn: turn_pop,
    sleep: None,
    wake: None,
    mate: core::ptr::null(),
    one_by_one: None,
};

#[no_mangle]
pub static virtio_queue_pop_device: DeviceCalls = POP;

#[no_mangle]
pub static virtio_queue_iter_device: DeviceCalls =
    DeviceCalls { name: c"virtio-queue iter".as_ptr(), turn: turn_iter, ..POP };

#[no_mangle]
pub static virtio_queue_slices_device: DeviceCalls =
    DeviceCalls { name: c"virtio-queue iter, slices".as_ptr(), turn: turn_slices, ..POP };
