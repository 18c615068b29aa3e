//! One input against the law of the same name.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| penstock_fuzz::json(data));
