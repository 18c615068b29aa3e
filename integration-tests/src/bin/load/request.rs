//! The requests that are sent again and again, with everything of them made beforehand.
//!
//! Headers are those of Envoy's tracer. The first call of a connection brings them in full, to be remembered in the
//! dynamic table; all later ones refer to it, as real senders do.

use crate::Outcome;
use bytes::BufMut;

/// The first index of the dynamic table.
const DYNAMIC: usize = 62;

/// What calls are made of.
pub(crate) struct Request {
    /// Header block of a connection's first call.
    pub(crate) first: Vec<u8>,
    /// Header block of the others.
    pub(crate) again: Vec<u8>,
    /// What calls send, in turn.
    pub(crate) messages: Vec<Message>,
}

/// A request in gRPC's frame.
pub(crate) struct Message {
    pub(crate) bytes: Vec<u8>,
    /// Items in it.
    pub(crate) items: usize,
}

impl Message {
    pub(crate) fn new(body: &[u8], items: usize) -> Outcome<Self> {
        let mut bytes = Vec::with_capacity(body.len() + 5);
        bytes.put_u8(0);
        bytes.put_u32(u32::try_from(body.len())?);
        bytes.put_slice(body);
        Ok(Self { bytes, items })
    }
}

impl Request {
    pub(crate) fn new(path: &str, authority: &str, messages: Vec<Message>) -> Outcome<Self> {
        let headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", authority),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("x-envoy-internal", "true"),
            ("x-forwarded-for", "10.42.0.17"),
            (
                "user-agent",
                "OTel-OTLP-Exporter-Envoy/1.36.2/Clean/RELEASE/BoringSSL",
            ),
        ];
        let (mut first, mut again) = (Vec::new(), Vec::new());
        for (n, (name, value)) in headers.iter().enumerate() {
            // A literal that the dynamic table remembers, name and value without Huffman.
            first.put_u8(0x40);
            for text in [name, value] {
                first.put_u8(short(text)?);
                first.put_slice(text.as_bytes());
            }
            // The newest entry has the lowest index.
            again.put_u8(0x80 | u8::try_from(DYNAMIC + headers.len() - 1 - n)?);
        }
        Ok(Self {
            first,
            again,
            messages,
        })
    }
}

/// A length that HPACK has in one byte.
fn short(text: &str) -> Outcome<u8> {
    let length = u8::try_from(text.len())
        .ok()
        .filter(|length| *length < 0x7f);
    length.ok_or_else(|| format!("`{text}` is too long for a header here").into())
}
