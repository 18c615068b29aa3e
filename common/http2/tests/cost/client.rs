//! A client whose every byte and wake-up is in the hands of the test.

use std::{
    cell::RefCell,
    future::{Future, pending},
    io,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use penstock_http2::{End, Http2, Http2Settings, Service};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A request of the mesh: five spans.
pub(crate) const MESSAGE: [u8; 4400] = [7; 4400];

pub(crate) const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
pub(crate) const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Both directions of a connection.
#[derive(Default)]
pub(crate) struct Wire {
    input: Vec<u8>,
    taken: usize,
    reader: Option<Waker>,
    output: Vec<u8>,
    reads: u64,
    writes: u64,
}

impl Wire {
    /// With room for more than is ever on it.
    pub(crate) fn new() -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self {
            input: Vec::with_capacity(1 << 20),
            output: Vec::with_capacity(1 << 20),
            ..Self::default()
        }))
    }
}

/// The server's end of it.
struct Io(Rc<RefCell<Wire>>);

impl AsyncRead for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = &mut *self.0.borrow_mut();
        let rest = &wire.input[wire.taken..];
        if rest.is_empty() {
            wire.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let len = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..len]);
        wire.taken += len;
        wire.reads += 1;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut wire = self.0.borrow_mut();
        wire.output.extend_from_slice(bytes);
        wire.writes += 1;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Counts how often the connection's task is woken.
#[derive(Default)]
struct Woken(AtomicU64);

impl Woken {
    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A client, with the server's task in its hands.
pub(crate) struct Client {
    wire: Rc<RefCell<Wire>>,
    served: Pin<Box<dyn Future<Output = End>>>,
    woken: Arc<Woken>,
    waker: Waker,
    /// Wake-ups that were followed by a poll.
    seen: u64,
    polls: u64,
    next: u32,
}

impl Client {
    pub(crate) fn connect(service: impl Service + 'static) -> Self {
        Self::connect_over(Wire::new(), service)
    }

    /// A connection whose handshake is done.
    pub(crate) fn connect_over(wire: Rc<RefCell<Wire>>, service: impl Service + 'static) -> Self {
        let http2 = Http2::new(Http2Settings::default()).unwrap();
        let served = http2.serve(Io(Rc::clone(&wire)), service, pending());
        let woken = Arc::<Woken>::default();
        let mut client = Self {
            wire,
            served: Box::pin(served),
            waker: Waker::from(Arc::clone(&woken)),
            woken,
            seen: 0,
            polls: 0,
            next: 1,
        };
        // The first poll is for nothing but the task's beginning.
        client.waker.wake_by_ref();
        client.run();
        client.say(penstock_http2::frame::PREFACE);
        client.frame(SETTINGS, 0, 0, &[]);
        client.frame(SETTINGS, 1, 0, &[]);
        // Room for all answers.
        client.frame(WINDOW_UPDATE, 0, 0, &0x7fff_0000u32.to_be_bytes());
        client.arrive();
        client
    }

    fn say(&mut self, bytes: &[u8]) {
        self.wire.borrow_mut().input.extend_from_slice(bytes);
    }

    pub(crate) fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let [_, len @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
        self.say(&len);
        self.say(&[kind, flags]);
        self.say(&stream.to_be_bytes());
        self.say(payload);
    }

    /// Headers as a gRPC client sends them: the first time they go into the header table, from then on they are indices.
    pub(crate) fn headers(&mut self) -> u32 {
        let id = self.next;
        self.next += 2;
        let first = b"\x83\x86\x44\x04/a/B\x5f\x10application/grpc\x40\x02te\x08trailers";
        let block: &[u8] = if id == 1 {
            first
        } else {
            b"\x83\x86\xc0\xbf\xbe"
        };
        self.frame(HEADERS, END_HEADERS, id, block);
        id
    }

    /// The same with a time-out that is another each time and does not go into the table.
    pub(crate) fn headers_with_timeout(&mut self) -> u32 {
        let mut block = *b"\x83\x86\xc0\xbf\xbe\x00\x0cgrpc-timeout\x06000000";
        if self.next == 1 {
            return self.headers();
        }
        let id = self.next;
        self.next += 2;
        let (_, digits) = block.split_last_chunk_mut::<6>().unwrap();
        for (place, digit) in digits.iter_mut().rev().enumerate() {
            *digit += u8::try_from(id / 10u32.pow(u32::try_from(place).unwrap()) % 10).unwrap();
        }
        self.frame(HEADERS, END_HEADERS, id, &block);
        id
    }

    pub(crate) fn call(&mut self) {
        let id = self.headers();
        self.frame(DATA, END_STREAM, id, &MESSAGE);
    }

    /// What was said is there; the server does what it can with it.
    pub(crate) fn arrive(&mut self) {
        let reader = self.wire.borrow_mut().reader.take();
        reader.expect("the server wants to read").wake();
        self.run();
        let mut wire = self.wire.borrow_mut();
        assert_eq!(wire.taken, wire.input.len());
        wire.input.clear();
        wire.taken = 0;
    }

    /// Polls for every wake-up, as a runtime does.
    pub(crate) fn run(&mut self) {
        while self.woken.count() > self.seen {
            self.seen = self.woken.count();
            self.polls += 1;
            let polled = self
                .served
                .as_mut()
                .poll(&mut Context::from_waker(&self.waker));
            assert!(polled.is_pending(), "{polled:?}");
        }
    }

    /// Counts the answers that were written since the last time.
    pub(crate) fn answers(&mut self) -> u32 {
        let output = &mut self.wire.borrow_mut().output;
        let (mut at, mut answers) = (0, 0);
        while let Some([a, b, c, kind, flags, ..]) = output.get(at..) {
            answers += u32::from(*kind == HEADERS && flags & END_STREAM != 0);
            at += 9 + u32::from_be_bytes([0, *a, *b, *c]) as usize;
        }
        output.clear();
        answers
    }

    /// Wake-ups, polls, reads and writes so far.
    pub(crate) fn count(&self) -> [u64; 4] {
        let wire = self.wire.borrow();
        [self.woken.count(), self.polls, wire.reads, wire.writes]
    }
}
