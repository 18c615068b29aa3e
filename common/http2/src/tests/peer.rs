//! A scripted peer: says any bytes, hears frames; and services to put behind the connection.

use std::{
    future::{Future, pending},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::Semaphore,
    task::JoinSet,
    time::Instant,
};

use crate::{
    Block, Body, End, ErrorCode, Head, Http2, Http2Settings, Response, Service,
    frame::{FrameHeader, HEADER_LEN, PREFACE, flag, kind, write},
};

/// A well-formed POST without authority: `:method`, `:scheme`, `:path: /`.
pub(crate) const REQUEST: &[u8] = &[0x83, 0x86, 0x84];

pub(crate) type Frame = (FrameHeader, Bytes);

/// The client side of a connection whose server side runs as a task.
pub(crate) struct Peer {
    pub(crate) io: DuplexStream,
    heard: BytesMut,
    server: JoinSet<End>,
}

impl Peer {
    /// A peer that has not said anything.
    pub(crate) fn silent<S, F>(settings: Http2Settings, service: S, shutdown: F) -> Self
    where
        S: Service + Send + 'static,
        S::Call: Send,
        F: Future<Output = Instant> + Send + 'static,
    {
        let (io, server_io) = duplex(64 << 10);
        let http2 = Http2::new(settings).unwrap();
        let mut server = JoinSet::new();
        server.spawn(async move { http2.serve(server_io, service, shutdown).await });
        Self {
            io,
            heard: BytesMut::new(),
            server,
        }
    }

    /// A peer that is through with the handshake.
    pub(crate) async fn start<S>(settings: Http2Settings, service: S) -> Self
    where
        S: Service + Send + 'static,
        S::Call: Send,
    {
        Self::start_until(settings, service, pending()).await
    }

    pub(crate) async fn start_until<S, F>(settings: Http2Settings, service: S, signal: F) -> Self
    where
        S: Service + Send + 'static,
        S::Call: Send,
        F: Future<Output = Instant> + Send + 'static,
    {
        let mut peer = Self::silent(settings, service, signal);
        peer.handshake(&[]).await;
        peer
    }

    pub(crate) async fn handshake(&mut self, parameters: &[(u16, u32)]) {
        let mut out = BytesMut::from(&PREFACE[..]);
        write::settings(&mut out, parameters);
        write::settings_ack(&mut out);
        self.say(&out).await;
        assert_eq!(self.hear().await.unwrap().0.kind, kind::SETTINGS);
        let (update, _) = self.hear().await.unwrap();
        assert_eq!((update.kind, update.stream), (kind::WINDOW_UPDATE, 0));
        let (ack, _) = self.hear().await.unwrap();
        assert_eq!((ack.kind, ack.flags), (kind::SETTINGS, flag::ACK));
    }

    pub(crate) async fn say(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.say(&frame(kind, flags, stream, payload)).await;
    }

    /// HEADERS of a call, its body to follow unless `end`.
    pub(crate) async fn request(&mut self, stream: u32, end: bool) {
        let end = if end { flag::END_STREAM } else { 0 };
        self.frame(kind::HEADERS, flag::END_HEADERS | end, stream, REQUEST)
            .await;
    }

    pub(crate) async fn data(&mut self, stream: u32, payload: &[u8], end: bool) {
        let end = if end { flag::END_STREAM } else { 0 };
        self.frame(kind::DATA, end, stream, payload).await;
    }

    /// The next frame; `None` when the connection is closed.
    pub(crate) async fn hear(&mut self) -> Option<Frame> {
        loop {
            if let Some(header) = FrameHeader::parse(&self.heard)
                && self.heard.len() >= HEADER_LEN + header.len
            {
                self.heard.advance(HEADER_LEN);
                return Some((header, self.heard.split_to(header.len).freeze()));
            }
            if self.io.read_buf(&mut self.heard).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// The next frame that is of this kind.
    pub(crate) async fn hear_kind(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.hear().await.expect("connection stays open");
            if frame.0.kind == kind {
                return frame;
            }
        }
    }

    /// Hears a whole answer on one stream: the bytes of its message.
    pub(crate) async fn answer(&mut self, stream: u32) -> Bytes {
        let mut message = BytesMut::new();
        loop {
            let (header, payload) = self.hear().await.expect("connection stays open");
            if header.stream != stream {
                continue;
            }
            assert_ne!(
                header.kind,
                kind::RST_STREAM,
                "stream was reset: {payload:?}"
            );
            if header.kind == kind::DATA {
                message.extend_from_slice(&payload);
            }
            if header.has(flag::END_STREAM) && header.kind <= kind::HEADERS {
                return message.freeze();
            }
        }
    }

    /// Hears the reset of a stream.
    pub(crate) async fn reset(&mut self, stream: u32) -> ErrorCode {
        let (header, payload) = self.hear_kind(kind::RST_STREAM).await;
        assert_eq!(header.stream, stream);
        ErrorCode((&payload[..]).get_u32())
    }

    /// Hears a GOAWAY: its last stream and code.
    pub(crate) async fn goaway(&mut self) -> (u32, ErrorCode) {
        let (_, mut payload) = self.hear_kind(kind::GOAWAY).await;
        (payload.get_u32(), ErrorCode(payload.get_u32()))
    }

    /// Hears on until the connection is closed, and says why it was.
    pub(crate) async fn closed(&mut self) -> End {
        while self.hear().await.is_some() {}
        self.end().await
    }

    /// Closes the peer's side without a word.
    pub(crate) async fn hang_up(mut self) -> End {
        drop(self.io);
        self.server.join_next().await.unwrap().unwrap()
    }

    pub(crate) async fn end(&mut self) -> End {
        // The server lingers until our side is closed too.
        self.io.shutdown().await.ok();
        self.server.join_next().await.unwrap().unwrap()
    }

    /// Reads nothing more and waits for the end of the connection.
    pub(crate) async fn end_unread(&mut self) -> End {
        self.server.join_next().await.unwrap().unwrap()
    }

    /// Asserts that the connection answers.
    pub(crate) async fn assert_open(&mut self) {
        self.frame(kind::PING, 0, 0, b"are you?").await;
        assert_eq!(self.hear_kind(kind::PING).await.1, "are you?");
    }

    /// Asserts that the server has nothing to say for now.
    pub(crate) async fn assert_silence(&mut self) {
        let heard = tokio::time::timeout(Duration::from_millis(1), self.hear()).await;
        assert!(heard.is_err(), "heard {heard:?}");
    }
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    write::header(&mut out, payload.len(), kind, flags, stream);
    out.extend_from_slice(payload);
    out
}

pub(crate) fn answer_with(message: impl Into<Bytes>) -> Response {
    Response::unary(
        Block::response(200)
            .field("content-type", b"application/grpc")
            .build(),
        message.into(),
        Block::trailers().field("grpc-status", b"0").build(),
    )
}

/// Answers with the body.
pub(crate) async fn echo(_head: Head, mut body: Body) -> Response {
    match body.collect(usize::MAX).await {
        Ok(bytes) => answer_with(bytes),
        Err(_) => Response::reset(ErrorCode::INTERNAL_ERROR),
    }
}

/// Never answers and never takes a byte.
pub(crate) async fn hold(_head: Head, body: Body) -> Response {
    let _held = body;
    pending().await
}

/// Waits for a permit before it takes the body; writes down what it took.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) taken: Arc<Mutex<Vec<Bytes>>>,
}

impl Gate {
    pub(crate) fn closed() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(0)),
            taken: Arc::default(),
        }
    }

    pub(crate) fn service(&self) -> impl Service<Call: Send> + Send + use<> {
        let gate = self.clone();
        move |_head: Head, mut body: Body| {
            let gate = gate.clone();
            async move {
                gate.permits.acquire().await.unwrap().forget();
                let bytes = body.collect(usize::MAX).await.unwrap_or_default();
                gate.taken.lock().unwrap().push(bytes.clone());
                answer_with(bytes)
            }
        }
    }
}
