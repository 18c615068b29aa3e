//! One HTTP/2 connection of a client that makes the same unary call over and over.
//!
//! Everything happens in the connection's own future: answers are read, new calls written behind one another, and the
//! lot leaves in one write. Keeps to the server's settings and windows.

use crate::Outcome;
use crate::frames::{self, put};
use crate::request::Request;
use penstock_http2::frame::{FrameHeader, HEADER_LEN, PREFACE};
use penstock_http2::hpack::Decoder;
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// What the specification has until SETTINGS say otherwise.
const DEFAULT_WINDOW: i64 = 65_535;
/// Answers are small: the connection's window is opened once, and again before this much of it is used.
const WINDOW: u32 = 1 << 30;
/// Bytes that may wait for the socket before more are made.
const ENOUGH: usize = 256 << 10;

/// When calls begin.
pub(crate) struct Pace {
    /// Unanswered calls at a time.
    pub(crate) in_flight: usize,
    pub(crate) start: Instant,
    /// No call begins after this.
    pub(crate) end: Instant,
    /// Calls a second; `None` is as many as find a place.
    pub(crate) rate: Option<f64>,
}

impl Pace {
    /// How often an open loop looks at the clock.
    pub(crate) const TICK: Duration = Duration::from_millis(5);

    /// Calls that should have begun by now.
    fn due(&self, now: Instant) -> u64 {
        let elapsed = now.min(self.end).saturating_duration_since(self.start);
        match self.rate {
            None => u64::MAX,
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "calls of a bench, far below 2^52"
            )]
            Some(rate) => (rate * elapsed.as_secs_f64()) as u64,
        }
    }
}

/// What became of the calls.
#[derive(Default)]
pub(crate) struct Seen {
    /// Latencies of calls that were answered with OK.
    pub(crate) micros: Vec<u32>,
    /// Items in these.
    pub(crate) items: usize,
    /// Calls that were answered otherwise or not at all.
    pub(crate) failures: u64,
    /// Calls of an open loop that were due and found no place.
    pub(crate) unsent: u64,
    /// Why the first of them failed.
    pub(crate) failure: Option<String>,
}

impl Seen {
    pub(crate) fn add(&mut self, other: Self) {
        self.micros.extend(other.micros);
        self.items += other.items;
        self.failures += other.failures;
        self.unsent += other.unsent;
        self.failure = self.failure.take().or(other.failure);
    }

    fn fail(&mut self, calls: usize, why: &str) {
        self.failures += calls as u64;
        if self.failure.is_none() && calls > 0 {
            self.failure = Some(why.to_owned());
        }
    }
}

struct Call {
    start: Instant,
    /// Which of the messages.
    message: usize,
    sent: usize,
    window: i64,
    ok: bool,
}

/// What the server's SETTINGS say.
struct Peer {
    max_streams: usize,
    window: i64,
    max_frame: usize,
}

/// See the module.
pub(crate) struct Connection {
    stream: TcpStream,
    request: Arc<Request>,
    decoder: Decoder,
    input: Vec<u8>,
    out: Vec<u8>,
    written: usize,
    calls: HashMap<u32, Call>,
    /// Calls whose message is not wholly written, in order.
    unfinished: VecDeque<u32>,
    next_id: u32,
    /// Whose turn it is among the messages.
    turn: usize,
    begun: u64,
    window: i64,
    received: u32,
    peer: Peer,
    leaving: bool,
    seen: Seen,
}

impl Connection {
    /// Connects; what a connection begins with leaves with the first call. The first call sends message `turn`.
    pub(crate) async fn open(target: &str, request: &Arc<Request>, turn: usize) -> Outcome<Self> {
        let stream = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        let mut out = PREFACE.to_vec();
        // No server push.
        put(&mut out, frames::SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 0]);
        put(&mut out, frames::WINDOW_UPDATE, 0, 0, &WINDOW.to_be_bytes());
        Ok(Self {
            stream,
            request: Arc::clone(request),
            decoder: Decoder::new(4096),
            input: Vec::new(),
            out,
            written: 0,
            calls: HashMap::new(),
            unfinished: VecDeque::new(),
            next_id: 1,
            turn: turn % request.messages.len(),
            begun: 0,
            window: DEFAULT_WINDOW,
            received: 0,
            peer: Peer {
                max_streams: usize::MAX,
                window: DEFAULT_WINDOW,
                max_frame: 16 << 10,
            },
            leaving: false,
            seen: Seen::default(),
        })
    }

    /// Makes calls until the pace's end and waits for their answers.
    pub(crate) async fn run(&mut self, pace: &Pace) {
        let mut ticks = pace.rate.map(|_| {
            let mut ticks = interval_at(pace.start, Pace::TICK);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        let ended = poll_fn(|cx| self.poll_run(cx, pace, ticks.as_mut())).await;
        if let Err(error) = ended {
            self.give_up(&error.to_string());
        }
        if pace.rate.is_some() {
            self.seen.unsent += pace.due(pace.end).saturating_sub(self.begun);
        }
    }

    /// Makes one call and waits for its answer.
    pub(crate) async fn once(&mut self) {
        self.begin(Instant::now());
        let answered = poll_fn(|cx| {
            while !self.calls.is_empty() {
                ready!(self.poll_io(cx))?;
            }
            Poll::Ready(Ok::<_, io::Error>(()))
        });
        if let Err(error) = answered.await {
            self.give_up(&error.to_string());
        }
    }

    /// Answers the server's pings until it closes the connection.
    pub(crate) async fn hold(&mut self) {
        let closed: io::Result<()> = poll_fn(|cx| {
            loop {
                ready!(self.poll_io(cx))?;
            }
        })
        .await;
        drop(closed);
    }

    /// Counts all unanswered calls as failed.
    pub(crate) fn give_up(&mut self, why: &str) {
        self.seen.fail(self.calls.len(), why);
        self.calls.clear();
    }

    /// What was seen since the last time.
    pub(crate) fn seen(&mut self) -> Seen {
        std::mem::take(&mut self.seen)
    }

    fn poll_run(
        &mut self,
        cx: &mut Context<'_>,
        pace: &Pace,
        mut ticks: Option<&mut Interval>,
    ) -> Poll<io::Result<()>> {
        loop {
            let now = Instant::now();
            let due = pace.due(now);
            while now < pace.end && self.has_room(pace) && self.begun < due {
                self.begin(now);
            }
            let over = now >= pace.end || self.leaving;
            if over && self.calls.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if let Poll::Ready(progress) = self.poll_io(cx) {
                progress?;
                continue;
            }
            // An open loop has to wake up by itself, also to see its end.
            match &mut ticks {
                Some(ticks) if !over => ready!(ticks.poll_tick(cx)),
                _ => return Poll::Pending,
            };
        }
    }

    fn has_room(&self, pace: &Pace) -> bool {
        let open = self.calls.len();
        !self.leaving && open < pace.in_flight.min(self.peer.max_streams) && self.out.len() < ENOUGH
    }

    fn begin(&mut self, start: Instant) {
        let id = self.next_id;
        self.next_id += 2;
        self.begun += 1;
        let block = match id {
            1 => &self.request.first,
            _ => &self.request.again,
        };
        put(
            &mut self.out,
            frames::HEADERS,
            frames::END_HEADERS,
            id,
            block,
        );
        let window = self.peer.window;
        let message = self.turn;
        self.turn = (self.turn + 1) % self.request.messages.len();
        self.calls.insert(
            id,
            Call {
                start,
                message,
                sent: 0,
                window,
                ok: false,
            },
        );
        self.unfinished.push_back(id);
        self.fill();
    }

    /// Writes messages as far as the windows let it.
    fn fill(&mut self) {
        let mut turns = self.unfinished.len();
        while turns > 0 && self.window > 0 && self.out.len() < ENOUGH {
            let Some(id) = self.unfinished.pop_front() else {
                return;
            };
            turns -= 1;
            let Some(call) = self.calls.get_mut(&id) else {
                continue;
            };
            let message = &self.request.messages[call.message].bytes;
            while call.sent < message.len() && self.out.len() < ENOUGH {
                let room = usize::try_from(call.window.min(self.window)).unwrap_or(0);
                let part = room.min(self.peer.max_frame).min(message.len() - call.sent);
                if part == 0 {
                    break;
                }
                let end = call.sent + part;
                let last = if end == message.len() {
                    frames::END_STREAM
                } else {
                    0
                };
                put(
                    &mut self.out,
                    frames::DATA,
                    last,
                    id,
                    &message[call.sent..end],
                );
                call.sent = end;
                call.window -= part as i64;
                self.window -= part as i64;
            }
            if call.sent < message.len() {
                self.unfinished.push_back(id);
            }
        }
    }

    /// Writes what there is and reads what came; ready when something came.
    fn poll_io(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.fill();
            if self.written == self.out.len() {
                break;
            }
            let stream = Pin::new(&mut self.stream);
            match stream.poll_write(cx, &self.out[self.written..])? {
                Poll::Pending => break,
                Poll::Ready(bytes) => self.written += bytes,
            }
            if self.written == self.out.len() {
                self.out.clear();
                self.written = 0;
            }
        }
        let mut space = [0; 8 << 10];
        let mut space = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut space))?;
        if space.filled().is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        self.input.extend_from_slice(space.filled());
        Poll::Ready(self.take_frames())
    }

    fn take_frames(&mut self) -> io::Result<()> {
        let mut input = std::mem::take(&mut self.input);
        let mut at = 0;
        while let Some(header) = FrameHeader::parse(&input[at..]) {
            let payload = at + HEADER_LEN..at + HEADER_LEN + header.len;
            let Some(payload_bytes) = input.get(payload.clone()) else {
                break;
            };
            self.take_frame(header, payload_bytes)?;
            at = payload.end;
        }
        input.drain(..at);
        self.input = input;
        Ok(())
    }

    fn take_frame(&mut self, header: FrameHeader, payload: &[u8]) -> io::Result<()> {
        let ended = header.flags & frames::END_STREAM != 0;
        match header.kind {
            frames::HEADERS if header.flags & frames::END_HEADERS == 0 => {
                return Err(invalid("the answer's headers do not fit one frame"));
            }
            frames::HEADERS => {
                let block = frames::unpadded(payload, header.flags);
                self.take_headers(header.stream, block.ok_or(invalid("padding"))?)?;
                self.end_if(ended, header.stream);
            }
            frames::DATA => {
                self.take_data(header.len);
                self.end_if(ended, header.stream);
            }
            frames::RST_STREAM => {
                let open = self.calls.remove(&header.stream);
                let why = format!("stream reset with code {}", frames::number(payload));
                self.seen.fail(usize::from(open.is_some()), &why);
            }
            frames::SETTINGS if !ended => {
                self.take_settings(payload);
                put(&mut self.out, frames::SETTINGS, frames::END_STREAM, 0, &[]);
            }
            frames::PING if !ended => {
                put(&mut self.out, frames::PING, frames::END_STREAM, 0, payload);
            }
            frames::GOAWAY => self.leaving = true,
            frames::WINDOW_UPDATE => {
                let bytes = i64::from(frames::number(payload));
                match self.calls.get_mut(&header.stream) {
                    Some(call) => call.window += bytes,
                    None if header.stream == 0 => self.window += bytes,
                    None => {}
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn take_headers(&mut self, id: u32, block: &[u8]) -> io::Result<()> {
        let mut status = None;
        let decoded = self.decoder.decode(block, |name, value| {
            if name == b"grpc-status" {
                status = Some(value == b"0");
            }
        });
        decoded.map_err(|error| invalid(&error.to_string()))?;
        if let (Some(call), Some(ok)) = (self.calls.get_mut(&id), status) {
            call.ok = ok;
        }
        Ok(())
    }

    fn take_data(&mut self, bytes: usize) {
        self.received += u32::try_from(bytes).unwrap_or_default();
        if self.received > WINDOW / 2 {
            let bytes = std::mem::take(&mut self.received).to_be_bytes();
            put(&mut self.out, frames::WINDOW_UPDATE, 0, 0, &bytes);
        }
    }

    fn take_settings(&mut self, payload: &[u8]) {
        for (setting, value) in frames::settings(payload) {
            match setting {
                frames::MAX_CONCURRENT_STREAMS => self.peer.max_streams = value as usize,
                frames::MAX_FRAME_SIZE => self.peer.max_frame = value as usize,
                frames::INITIAL_WINDOW_SIZE => {
                    let more = i64::from(value) - self.peer.window;
                    self.peer.window = i64::from(value);
                    for call in self.calls.values_mut() {
                        call.window += more;
                    }
                }
                _ => {}
            }
        }
    }

    fn end_if(&mut self, ended: bool, id: u32) {
        if !ended {
            return;
        }
        match self.calls.remove(&id) {
            Some(call) if call.ok => {
                let micros = u32::try_from(call.start.elapsed().as_micros());
                self.seen.micros.push(micros.unwrap_or(u32::MAX));
                self.seen.items += self.request.messages[call.message].items;
            }
            Some(_) => self.seen.fail(1, "answered with another status than OK"),
            None => {}
        }
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
