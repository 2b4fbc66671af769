//! The program that says which signals it gets: it blocks all 64 and prints a line for each as it
//! comes (`got 15`, `got 37 with 4242`), until one of the numbers among its arguments comes; then it
//! ends with the status 43. It is compiled by `house::probe` on its own.
#![no_main]

use std::ffi::{c_char, c_int, c_long};
use std::io::Write;

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
}

#[cfg(target_arch = "x86_64")]
const NUMBERS: (c_long, c_long) = (14, 128);
#[cfg(target_arch = "aarch64")]
const NUMBERS: (c_long, c_long) = (135, 137);

fn say(text: &str) {
    // One write, unbuffered.
    drop(std::io::stdout().write_all(format!("{text}\n").as_bytes()));
    drop(std::io::stdout().flush());
}

#[unsafe(no_mangle)]
extern "C" fn main(_count: c_int, _words: *const *const c_char) -> c_int {
    let words = std::fs::read("/proc/self/cmdline").unwrap_or_default();
    let last: Vec<i32> = words
        .split(|byte| *byte == 0)
        .filter_map(|word| std::str::from_utf8(word).ok()?.parse().ok())
        .collect();
    let every = u64::MAX;
    let (mask, wait) = NUMBERS;
    unsafe { syscall(mask, 2 as c_long, &raw const every, std::ptr::null_mut::<u64>(), 8 as c_long) };
    say(&format!("listening as {}", std::process::id()));
    loop {
        let mut info = [0u64; 16];
        let none = std::ptr::null_mut::<u64>();
        let got = unsafe { syscall(wait, &raw const every, info.as_mut_ptr(), none, 8 as c_long) };
        if got < 0 {
            continue;
        }
        // SI_QUEUE
        match info[1] as u32 as i32 {
            -1 => say(&format!("got {got} with {}", info[3])),
            _ => say(&format!("got {got}")),
        }
        if last.contains(&(got as i32)) {
            return 43;
        }
    }
}
