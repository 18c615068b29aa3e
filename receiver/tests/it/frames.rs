//! An HTTP/2 client that writes its frames itself: no library sends every `:authority`, or sends without waiting.

use bytes::{Bytes, BytesMut};
use penstock_http2::frame::{FrameHeader, HEADER_LEN, PREFACE};
use penstock_otlp::Signal;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

mod kind {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const GOAWAY: u8 = 7;
}

mod flag {
    pub(super) const ACK: u8 = 1;
    pub(super) const END_STREAM: u8 = 1;
    pub(super) const END_HEADERS: u8 = 4;
}

/// One connection.
pub(crate) struct Frames {
    stream: TcpStream,
    heard: BytesMut,
    next_id: u32,
}

impl Frames {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let hello = [PREFACE, &frame(kind::SETTINGS, 0, 0, &[])[..]].concat();
        stream.write_all(&hello).await.unwrap();
        Self {
            stream,
            heard: BytesMut::new(),
            next_id: 1,
        }
    }

    /// Begins a call and sends all of its body, whatever the windows say. Gives its stream.
    pub(crate) async fn call(
        &mut self,
        signal: Signal,
        authority: Option<&str>,
        body: &[u8],
    ) -> u32 {
        let id = self.next_id;
        self.next_id += 2;
        let mut block = vec![0x83, 0x86]; // POST, http
        field(&mut block, ":path", signal.grpc_path());
        if let Some(authority) = authority {
            field(&mut block, ":authority", authority);
        }
        field(&mut block, "content-type", "application/grpc");
        let mut message = vec![0];
        message.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
        message.extend_from_slice(body);
        let mut out = frame(kind::HEADERS, flag::END_HEADERS, id, &block);
        let frames = message.len().div_ceil(1 << 14);
        for (number, piece) in message.chunks(1 << 14).enumerate() {
            let end = number + 1 == frames;
            let flags = if end { flag::END_STREAM } else { 0 };
            out.extend_from_slice(&frame(kind::DATA, flags, id, piece));
        }
        self.stream.write_all(&out).await.unwrap();
        id
    }

    /// Waits for the next answer that is OK and gives its stream; any other is a failure.
    pub(crate) async fn answered(&mut self) -> u32 {
        let (stream, ok) = self.ended().await;
        assert!(ok, "stream {stream} was not answered with OK");
        stream
    }

    /// Waits for the next answer; gives its stream, and whether it is OK.
    pub(crate) async fn ended(&mut self) -> (u32, bool) {
        loop {
            let (header, payload) = self.hear().await;
            match header.kind {
                kind::SETTINGS if header.flags & flag::ACK == 0 => {
                    let ack = frame(kind::SETTINGS, flag::ACK, 0, &[]);
                    self.stream.write_all(&ack).await.unwrap();
                }
                kind::RST_STREAM | kind::GOAWAY => panic!("{header:?} {payload:?}"),
                kind::HEADERS if header.flags & flag::END_STREAM != 0 => {
                    let ok = b"\x0bgrpc-status\x010";
                    let found = payload.windows(ok.len()).any(|part| part == ok);
                    return (header.stream, found);
                }
                _ => {}
            }
        }
    }

    async fn hear(&mut self) -> (FrameHeader, Bytes) {
        loop {
            if let Some(header) = FrameHeader::parse(&self.heard)
                && self.heard.len() >= HEADER_LEN + header.len
            {
                let frame = self.heard.split_to(HEADER_LEN + header.len).freeze();
                return (header, frame.slice(HEADER_LEN..));
            }
            let read = self.stream.read_buf(&mut self.heard).await.unwrap();
            assert_ne!(read, 0, "closed");
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A literal that is not indexed.
fn field(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    for text in [name, value] {
        block.push(u8::try_from(text.len()).unwrap());
        block.extend_from_slice(text.as_bytes());
    }
}
