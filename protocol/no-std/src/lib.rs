//! Proof by the compiler that the rules cannot do I/O: they build into a library that has no std.
//!
//!     cargo build --manifest-path protocol/no-std/Cargo.toml
//!
//! std brings a panic handler of its own. Should it come in, by the rules or by something that they
//! depend on, the one below is the second, and the build fails.

#![no_std]

use atname_protocol::chain::{Position, Transaction, Txid};
use atname_protocol::params::Network;
use atname_protocol::rules;
use atname_protocol::state::Memory;
use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;

/// Has no memory to give: nothing here is ever run.
struct Nothing;

// SAFETY: null is how an allocator says that it has nothing, and what was never given is never
// taken back.
unsafe impl GlobalAlloc for Nothing {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static NOTHING: Nothing = Nothing;

#[panic_handler]
fn stop(_: &PanicInfo<'_>) -> ! {
    loop {}
}

/// Reaches the rules from outside, so that the linker has to keep them.
#[unsafe(no_mangle)]
pub extern "C" fn atname_effects(height: u32, index: u32) -> usize {
    let transaction = Transaction {
        txid: Txid::from_bytes([0; 32]),
        inputs: &[],
        outputs: &[],
    };
    let position = Position { height, index };
    let params = Network::Mainnet.params();
    match rules::transaction(params, position, &transaction, &Memory::new()) {
        Ok(decision) => decision.into_effects().count(),
    }
}
