#![no_main]
//! See `targets.rs`.

#[allow(dead_code)]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::session(bytes));
