// SPDX-License-Identifier: MIT
//! The driver side of virtio-drivers. It publishes avail.idx with every buffer; that is its way.

use crate::{Config, DriverCalls, Shared, SHARED_SIZE};
use core::ffi::c_void;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{BufferDirection, Error, Hal, PhysAddr, Result, PAGE_SIZE};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// What is still free of the shared memory: rings are set up one after the other, and never two at once.
static FREE: AtomicUsize = AtomicUsize::new(0);
static END: AtomicUsize = AtomicUsize::new(0);

/// Device addresses are those of the process.
struct Identity;

// SAFETY: dma_alloc() hands out pages of the shared memory, each once, which is zero and page-aligned.
unsafe impl Hal for Identity {
    fn dma_alloc(pages: usize, _direction: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let at = FREE.fetch_add(pages * PAGE_SIZE, Ordering::Relaxed);
        assert!(at + pages * PAGE_SIZE <= END.load(Ordering::Relaxed));
        (at as PhysAddr, NonNull::new(at as *mut u8).unwrap())
    }

    unsafe fn dma_dealloc(_paddr: PhysAddr, _vaddr: NonNull<u8>, _pages: usize) -> i32 {
        0
    }

    unsafe fn mmio_phys_to_virt(_paddr: PhysAddr, _size: usize) -> NonNull<u8> {
        unreachable!("there are no registers")
    }

    #[inline]
    unsafe fn share(buffer: NonNull<[u8]>, _direction: BufferDirection) -> PhysAddr {
        buffer.cast::<u8>().as_ptr() as PhysAddr
    }

    #[inline]
    unsafe fn unshare(_paddr: PhysAddr, _buffer: NonNull<[u8]>, _direction: BufferDirection) {}
}

/// Learns where the queue lies.
struct Areas<'a>(&'a mut Shared);

impl Transport for Areas<'_> {
    fn device_type(&self) -> DeviceType {
        DeviceType::Block
    }
    fn read_device_features(&mut self) -> u64 {
        0
    }
    fn write_driver_features(&mut self, _driver_features: u64) {}
    fn max_queue_size(&mut self, _queue: u16) -> u32 {
        32768
    }
    fn notify(&mut self, _queue: u16) {}
    fn get_status(&self) -> DeviceStatus {
        DeviceStatus::empty()
    }
    fn set_status(&mut self, _status: DeviceStatus) {}
    fn set_guest_page_size(&mut self, _guest_page_size: u32) {}
    fn requires_legacy_layout(&self) -> bool {
        false
    }
    fn queue_set(&mut self, _queue: u16, _size: u32, desc: PhysAddr, driver_area: PhysAddr, device_area: PhysAddr) {
        self.0.desc = desc as *mut c_void;
        self.0.driver_area = driver_area as *mut c_void;
        self.0.device_area = device_area as *mut c_void;
    }
    fn queue_unset(&mut self, _queue: u16) {}
    fn queue_used(&mut self, _queue: u16) -> bool {
        false
    }
    fn ack_interrupt(&mut self) -> InterruptStatus {
        InterruptStatus::empty()
    }
    fn read_config_generation(&self) -> u32 {
        0
    }
    fn read_config_space<T: FromBytes + IntoBytes>(&self, _offset: usize) -> Result<T> {
        Err(Error::Unsupported)
    }
    fn write_config_space<T: IntoBytes + Immutable>(&mut self, _offset: usize, _value: T) -> Result<()> {
        Err(Error::Unsupported)
    }
}

#[repr(align(128))]
struct Driver<const SIZE: usize> {
    queue: VirtQueue<Identity, SIZE>,
    data: *mut u8,
    three: bool,
    given: usize,
    taken: usize,
    heads: [u16; SIZE], /* of the buffers in flight, in the order in which they were given */
}

impl<const SIZE: usize> Driver<SIZE> {
    fn boxed(config: &Config, shared: &mut Shared) -> Box<Self> {
        let data = shared.data;
        let mut queue = VirtQueue::new(&mut Areas(shared), 0, false, config.event_idx).expect("a queue");
        queue.set_dev_notify(false);
        Box::new(Self { queue, data, three: config.chain == 3, given: 0, taken: 0, heads: [0; SIZE] })
    }

    /// Calls with the pieces of a buffer: (queue, readable, writable).
    #[inline]
    fn with_pieces<R>(
        &mut self,
        call: impl for<'a> FnOnce(&mut VirtQueue<Identity, SIZE>, &'a [&'a [u8]], &'a mut [&'a mut [u8]]) -> R,
    ) -> R {
        // SAFETY: the pieces lie in the shared memory, do not overlap, and nobody touches them.
        unsafe {
            if self.three {
                let readable = [core::slice::from_raw_parts(self.data, 16)];
                let mut writable = [
                    core::slice::from_raw_parts_mut(self.data.add(16), 64),
                    core::slice::from_raw_parts_mut(self.data.add(80), 1),
                ];
                call(&mut self.queue, &readable, &mut writable)
            } else {
                call(&mut self.queue, &[core::slice::from_raw_parts(self.data, 64)], &mut [])
            }
        }
    }

    #[inline]
    fn give(&mut self, n: u32) -> bool {
        for _ in 0..n {
            // SAFETY: the pieces stay where they are until they are popped.
            let head = self.with_pieces(|queue, readable, writable| unsafe { queue.add(readable, writable) });
            self.heads[self.given % SIZE] = head.expect("add");
            self.given += 1;
        }
        self.queue.should_notify()
    }

    #[inline]
    fn take(&mut self, n: u32) -> u32 {
        for i in 0..n {
            let head = self.heads[self.taken % SIZE];
            if self.taken == self.given {
                return i;
            }
            // SAFETY: these are the pieces that were added.
            match self.with_pieces(|queue, readable, writable| unsafe { queue.pop_used(head, readable, writable) }) {
                Ok(_) => self.taken += 1,
                Err(Error::NotReady) => return i,
                Err(error) => panic!("pop_used: {error}"),
            }
        }
        n
    }
}

/// The size of a queue is a constant of its type.
enum AnySize {
    Small(Box<Driver<256>>),
    Large(Box<Driver<1024>>),
}

extern "C" fn start(config: &Config, shared: &mut Shared) -> *mut c_void {
    if config.packed || config.in_order || config.indirect {
        return core::ptr::null_mut(); /* its tables would lie outside the shared memory */
    }
    FREE.store(shared.base as usize, Ordering::Relaxed);
    END.store(shared.base as usize + SHARED_SIZE - 4096, Ordering::Relaxed);
    let driver = match config.size {
        256 => AnySize::Small(Driver::boxed(config, shared)),
        1024 => AnySize::Large(Driver::boxed(config, shared)),
        _ => return core::ptr::null_mut(),
    };
    Box::into_raw(Box::new(driver)).cast()
}

extern "C" fn stop(driver: *mut c_void) {
    // SAFETY: it came from start().
    drop(unsafe { Box::from_raw(driver.cast::<AnySize>()) });
}

extern "C" fn give(driver: *mut c_void, n: u32) -> bool {
    // SAFETY: it came from start(), and one thread uses it.
    match unsafe { &mut *driver.cast::<AnySize>() } {
        AnySize::Small(driver) => driver.give(n),
        AnySize::Large(driver) => driver.give(n),
    }
}

extern "C" fn take(driver: *mut c_void, n: u32) -> u32 {
    // SAFETY: it came from start(), and one thread uses it.
    match unsafe { &mut *driver.cast::<AnySize>() } {
        AnySize::Small(driver) => driver.take(n),
        AnySize::Large(driver) => driver.take(n),
    }
}

#[no_mangle]
pub static virtio_drivers_driver: DriverCalls =
    DriverCalls { name: c"virtio-drivers".as_ptr(), start, stop, give, take, sleep: None, wake: None };
