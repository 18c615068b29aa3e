//! One connection: what it holds, and the loop that reads, runs calls and writes.
//!
//! *Invariant:* each turn of the loop parses all that was read before it begins or polls any call, and writes once after
//! all of them: so a call whose body was read with its head runs without waiting, a call that was cancelled in the same read
//! costs nothing, and the answers of all calls that are ready leave together. However much the peer sends, other tasks of the
//! thread get their turn after one buffer of it.

mod calls;
mod headers;
mod receive;
mod send;
mod timers;

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context as TaskContext, Poll, Waker},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    time::{Instant, Sleep},
};

use crate::{
    Context, Service,
    bodies::Shared,
    chunk,
    error::{End, Fatal},
    flow::{RecvWindow, SendWindow},
    frame::{read::PeerSettings, setting, write},
    head::HeadCache,
    hpack::Decoder,
    lifecycle::{Lifecycle, Phase},
    limits::Budget,
    outbox::Outbox,
    ready::{SHUTDOWN, SlotWaker},
    settings::DEFAULT_WINDOW,
    streams::{Ended, Streams},
};

/// Turns of the loop before other tasks of the thread get theirs, first of all those that take away what was received.
const TURNS: usize = 8;
/// Bytes read before the same.
const READ_BYTES: usize = 48 << 10;
/// An unfinished frame that is longer keeps its buffer; a shorter one is copied out of the thread's chunk.
const CARRY_MAX: usize = 4 << 10;

/// What the peer must send next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Preface,
    Settings,
    Frames,
    /// The rest of the header block in `block`.
    Continuation,
}

/// A connection and everything that is under way on it.
pub(crate) struct Connection<IO, S: Service> {
    io: IO,
    service: S,
    context: Arc<Context>,
    tick: Duration,
    shared: Arc<Shared>,
    streams: Streams<S::Call>,
    /// Streams whose calls are not begun, by slot and id.
    arrived: Vec<(u32, u32)>,
    /// Slots to poll; kept for its allocation.
    queue: Vec<u32>,
    shutdown_waker: (Waker, Arc<SlotWaker>),
    /// The shutdown signal has come.
    signalled: bool,
    /// Since when the service wants nothing to be read.
    held: Option<Instant>,
    /// Until when it did so last.
    held_until: Option<Instant>,

    expect: Expect,
    /// The unfinished frame at the end of what was read.
    carry: BytesMut,
    block: Option<headers::PartialBlock>,
    decoder: Decoder,
    heads: HeadCache,
    recv: RecvWindow,

    out: Outbox,
    peer: PeerSettings,
    send: SendWindow,
    /// Streams whose answers wait for a window, and the bytes they hold.
    sending: usize,
    sending_bytes: usize,

    budget: Budget,
    life: Lifecycle,
    timer: Pin<Box<Sleep>>,
    now: Instant,
}

impl<IO, S> Connection<IO, S>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Service,
{
    pub(crate) fn new(io: IO, service: S, context: Arc<Context>) -> Self {
        let settings = &context.settings;
        let now = Instant::now();
        let shared = Arc::new(Shared::new(
            settings.connection_window_bytes,
            settings.stream_window_bytes,
        ));
        let shutdown_flag = SlotWaker::new(&shared.ready, SHUTDOWN);
        let shutdown_waker = Waker::from(Arc::clone(&shutdown_flag));
        // The first poll of the signal, which registers the waker.
        shutdown_waker.wake_by_ref();
        let (recv, increment) = RecvWindow::connection(settings.connection_window_bytes);
        let mut out = Outbox::default();
        write::settings(
            out.frames(),
            &[
                (setting::HEADER_TABLE_SIZE, settings.header_table_bytes),
                (
                    setting::MAX_CONCURRENT_STREAMS,
                    settings.max_concurrent_streams,
                ),
                (setting::INITIAL_WINDOW_SIZE, settings.stream_window_bytes),
                (setting::MAX_FRAME_SIZE, settings.max_frame_bytes),
                (
                    setting::MAX_HEADER_LIST_SIZE,
                    settings.max_header_list_bytes,
                ),
            ],
        );
        if let Some(increment) = increment {
            write::window_update(out.frames(), 0, increment);
        }
        let tick = settings.tick();
        context.metrics.connections.increment(1.0);
        Self {
            io,
            service,
            tick,
            streams: Streams::new(),
            arrived: Vec::new(),
            queue: Vec::new(),
            shutdown_waker: (shutdown_waker, shutdown_flag),
            signalled: false,
            held: None,
            held_until: None,
            expect: Expect::Preface,
            carry: BytesMut::new(),
            block: None,
            decoder: Decoder::new(settings.header_table_bytes as usize),
            heads: HeadCache::default(),
            recv,
            out,
            peer: PeerSettings {
                initial_window: DEFAULT_WINDOW,
                max_frame: 1 << 14,
            },
            send: SendWindow::new(DEFAULT_WINDOW),
            sending: 0,
            sending_bytes: 0,
            budget: Budget::new(settings.control_budget, settings.reset_budget, now),
            life: Lifecycle::new(settings, now),
            timer: Box::pin(tokio::time::sleep_until(now + tick)),
            now,
            shared,
            context,
        }
    }

    /// Drives the connection until it is over.
    pub(crate) fn poll<F: Future<Output = Instant>>(
        &mut self,
        cx: &mut TaskContext<'_>,
        mut shutdown: Pin<&mut F>,
    ) -> Poll<End> {
        self.now = Instant::now();
        let shared = Arc::clone(&self.shared);
        shared.ready.enter(cx.waker());
        self.poll_timer(cx);
        let mut read_bytes = 0;
        for _ in 0..TURNS {
            self.poll_held(cx);
            let was_blocked = self.is_held() || self.out_is_full();
            let read = self.poll_read(cx);
            let shutdown_woken = self.run_calls();
            if shutdown_woken {
                self.poll_shutdown_signal(shutdown.as_mut());
            }
            self.settle_credit();
            self.poll_write(cx);
            if self.is_over(cx) {
                return Poll::Ready(self.life.end.unwrap_or(End::Broken));
            }
            if was_blocked {
                // Calls that ended may have made room.
                self.poll_held(cx);
            }
            let unblocked = was_blocked && !self.is_held() && !self.out_is_full();
            if read == 0 && !unblocked && shared.ready.leave() {
                self.arm(cx);
                return Poll::Pending;
            }
            read_bytes += read;
            if read_bytes >= READ_BYTES {
                break;
            }
        }
        self.arm(cx);
        shared.ready.pause();
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_shutdown_signal<F: Future<Output = Instant>>(&mut self, shutdown: Pin<&mut F>) {
        // A completed future must not be polled again.
        if self.signalled {
            return;
        }
        self.shutdown_waker.1.polled();
        let mut cx = TaskContext::from_waker(&self.shutdown_waker.0);
        if let Poll::Ready(deadline) = shutdown.poll(&mut cx) {
            self.signalled = true;
            self.leave(End::Drained, Some(deadline));
        }
    }

    /// Asks the service whether it takes more. Time in which it did not is not the peer's.
    fn poll_held(&mut self, cx: &mut TaskContext<'_>) {
        let ready = self.service.poll_ready(cx).is_ready();
        if !ready {
            self.held.get_or_insert(self.now);
        } else if let Some(since) = self.held.take() {
            self.life.excuse(self.now - since, self.now);
            if let Some(block) = &mut self.block {
                block.since = self.now;
            }
            self.held_until = Some(self.now);
        }
    }

    fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// More waits to be written than we keep for a peer that does not read.
    fn out_is_full(&self) -> bool {
        self.out.len() >= self.context.settings.max_write_buffer_bytes
    }

    /// Reads once and parses. Tells how much came.
    fn poll_read(&mut self, cx: &mut TaskContext<'_>) -> usize {
        let hears = self.life.hears();
        let discards = matches!(self.life.phase, Phase::Closing { .. });
        let wants = hears && !self.is_held() && !self.out_is_full();
        if !wants && !discards {
            return 0;
        }
        let kept = self.carry.len() > CARRY_MAX;
        let mut buf = if kept {
            let mut buf = std::mem::take(&mut self.carry);
            buf.reserve(chunk::MIN_READ);
            buf
        } else {
            let mut buf = chunk::take(self.carry.len());
            buf.extend_from_slice(&self.carry);
            buf
        };
        let polled = pin!(self.io.read_buf(&mut buf)).poll(cx);
        match polled {
            Poll::Pending if kept => self.carry = buf,
            Poll::Pending => chunk::put(buf),
            Poll::Ready(Ok(n)) if n > 0 && hears => {
                self.context.metrics.read.increment(n as u64);
                self.life.last_read = self.now;
                self.life.holds_memory = true;
                self.life.ping_sent = None;
                self.carry.clear();
                if let Err(fatal) = self.parse(&mut buf) {
                    buf.clear();
                    self.fail(fatal);
                }
                self.keep(buf);
                return n;
            }
            Poll::Ready(Ok(n)) if n > 0 => {
                chunk::put(buf);
                return n;
            }
            Poll::Ready(result) => {
                chunk::put(buf);
                self.peer_gone(if result.is_ok() {
                    End::Peer
                } else {
                    End::Broken
                });
            }
        }
        0
    }

    /// Keeps the unfinished frame that is left in `buf`.
    fn keep(&mut self, buf: BytesMut) {
        if buf.len() > CARRY_MAX {
            self.carry = buf;
            return;
        }
        self.carry.extend_from_slice(&buf);
        chunk::put(buf);
    }

    fn poll_write(&mut self, cx: &mut TaskContext<'_>) {
        let mut written = 0;
        let flushed = self.out.poll_flush(&mut self.io, cx, &mut written);
        if written > 0 {
            self.context.metrics.written.increment(written as u64);
        }
        match flushed {
            Poll::Ready(Ok(())) => self.life.write_since = None,
            Poll::Ready(Err(_)) => self.peer_gone(End::Broken),
            Poll::Pending if written > 0 => self.life.write_since = Some(self.now),
            Poll::Pending => {
                self.life.write_since.get_or_insert(self.now);
            }
        }
    }

    /// Whether nothing is left to do. Moves on to closing when the last call is answered.
    fn is_over(&mut self, cx: &mut TaskContext<'_>) -> bool {
        if self.life.phase == Phase::Left && self.streams.active() == 0 {
            self.life.close(End::Peer, self.now);
        }
        match self.life.phase {
            Phase::Orphaned { .. } => self.streams.active() == 0 && self.out.is_empty(),
            Phase::Closing { .. } => {
                // Once shut down for writing, the peer's own end (seen by `poll_read`) ends it all.
                if self.out.is_empty() && self.life.write_since.is_none() {
                    let _shut = Pin::new(&mut self.io).poll_shutdown(cx);
                }
                false
            }
            _ => false,
        }
    }

    /// The peer will neither send nor, perhaps, read any more. Calls that came whole are finished all the same.
    fn peer_gone(&mut self, end: End) {
        self.life.end.get_or_insert(end);
        self.out.clear();
        self.life.write_since = None;
        match self.life.phase {
            Phase::Orphaned { .. } => return,
            Phase::Closing { .. } => {
                self.life.phase = Phase::Orphaned { until: self.now };
                return;
            }
            _ => {}
        }
        for slot in self.streams.open_slots() {
            let stream = self.streams.get(slot);
            let sending = matches!(stream.stage, crate::streams::Stage::Sending(_));
            if sending || !stream.recv_ended {
                self.close_stream(slot, Ended::ForBoth);
            }
        }
        let until = self.now + self.context.settings.orphan_timeout;
        self.life.phase = Phase::Orphaned { until };
    }

    /// Ends the connection because of a fault of the peer.
    fn fail(&mut self, Fatal(code, fault): Fatal) {
        self.context.metrics.fault(fault);
        write::goaway(self.out.frames(), self.streams.highest(), code);
        self.life.end.get_or_insert(End::Fault(fault));
        self.close();
    }

    /// Drops all calls and begins to close.
    fn close(&mut self) {
        self.abort_calls();
        self.carry = BytesMut::new();
        self.block = None;
        self.life.frame_since = None;
        self.life.close(End::Peer, self.now);
    }

    fn abort_calls(&mut self) {
        for slot in self.streams.open_slots() {
            self.close_stream(slot, Ended::ByUs);
        }
        self.arrived.clear();
    }

    /// Tells the peer to open no more calls; what is under way at `cut_at` is cut off.
    fn leave(&mut self, end: End, cut_at: Option<Instant>) {
        self.life.cut_by(cut_at);
        if self.life.phase != Phase::Open {
            return;
        }
        self.life.end.get_or_insert(end);
        self.say_goaway();
        self.life.phase = Phase::Leaving { since: self.now };
    }
}

impl<IO, S: Service> Drop for Connection<IO, S> {
    fn drop(&mut self) {
        self.context
            .metrics
            .closed(self.life.end.unwrap_or(End::Broken));
    }
}

/// An empty payload.
const EMPTY: Bytes = Bytes::new();
