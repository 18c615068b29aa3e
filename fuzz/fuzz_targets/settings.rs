//! One input against the law of the same name.
#![no_main]

#[path = "../src/settings.rs"]
mod law;

libfuzzer_sys::fuzz_target!(|data: &[u8]| law::settings(data));
