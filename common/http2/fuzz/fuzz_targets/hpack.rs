//! Any sequence of header blocks: no panic, and names and values no longer than blocks and table allow.
#![no_main]

use libfuzzer_sys::fuzz_target;
use penstock_http2::hpack::Decoder;

fuzz_target!(|blocks: Vec<Vec<u8>>| {
    let mut decoder = Decoder::new(4096);
    for block in blocks {
        let bound = 4096 + block.len() * 8 / 5;
        let decoded = decoder.decode(&block, |name, value| {
            assert!(name.len() + value.len() <= bound * 2);
        });
        if decoded.is_err() {
            return;
        }
    }
});
