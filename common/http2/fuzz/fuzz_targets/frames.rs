//! Any frames behind a good handshake, each well-formed on the outside: the input chooses types, flags, streams and
//! payloads. No panic, and the connection ends when the peer has gone.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../serve.rs"]
mod serve;

fuzz_target!(|frames: Vec<(u8, u8, u8, Vec<u8>)>| {
    let mut bytes = serve::handshake();
    for (kind, flags, stream, payload) in frames {
        let len = (payload.len() as u32).to_be_bytes();
        bytes.extend_from_slice(&len[1..]);
        bytes.extend_from_slice(&[kind % 12, flags, 0, 0, 0, stream % 16]);
        bytes.extend_from_slice(&payload);
    }
    serve::serve(&bytes, 4096);
});
