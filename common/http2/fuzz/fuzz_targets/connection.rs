//! Any bytes in any chunks, with or without a good handshake. No panic, and the connection ends when the peer has gone.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../serve.rs"]
mod serve;

fuzz_target!(|input: (bool, u8, &[u8])| {
    let (handshake, chunk, rest) = input;
    let mut bytes = if handshake {
        serve::handshake()
    } else {
        Vec::new()
    };
    bytes.extend_from_slice(rest);
    serve::serve(&bytes, usize::from(chunk) + 1);
});
