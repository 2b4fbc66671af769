//! The entry point: everything is in the library.
#![no_main]
#![allow(
    unsafe_code,
    reason = "an entry point of our own: the start-up code of std costs a third of a start, and \
              changes signals and descriptors that the program must inherit as they were"
)]

use std::ffi::{c_char, c_int};

use envshim::sys::Arena;

#[global_allocator]
static ALLOCATOR: Arena = Arena::new();

/// Called by the C library.
// SAFETY: the one `main` of the program, with the signature that C gives it; C alone calls it.
#[unsafe(no_mangle)]
unsafe extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    envshim::sys::begin();
    // SAFETY: these are the arguments of `main`.
    let words = unsafe { envshim::sys::words(argc, argv) };
    let status = envshim::run::run(words);
    envshim::sys::exit(status)
}
