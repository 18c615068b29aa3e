//! What supervisor and worker tell each other: JSON lines over the socket pair that is the worker's standard input.
//!
//! First the supervisor gives the worker all that it needs: the configuration's text, so that a worker that takes a dead
//! one's place runs what that one ran and not what is in the files by then, and the listening sockets, as descriptors that
//! go with their lines. Then the worker says when it is ready, and the supervisor what `/supervisor` shows.
//!
//! *Invariant:* the end of the stream is the end of the other process. Lines that are not known are left out, as the
//! other end may be of a newer version.

use crate::sockets::{Sockets, Wanted};
use penstock_otlp::Signal;
use penstock_settings::Source;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use tokio::io::Interest;

mod facts;
#[cfg(test)]
mod tests;

pub(crate) use facts::{Facts, METRICS};

/// Bytes that are read at once.
const READ: usize = 64 * 1024;
/// Descriptors that may come with one read; each line has one at most, and a read does not go beyond it.
const DESCRIPTORS: usize = 4;

/// From the supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToWorker {
    /// A piece of configuration; in their order.
    Source { name: String, yaml: String },
    /// A listening socket, whose descriptor goes with the line.
    Socket { name: String, endpoint: String },
    /// The signals of the command line: all is given, start.
    Start { signals: Option<Vec<String>> },
    /// What is known of the supervisor now.
    Facts(Facts),
}

/// From the worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ToSupervisor {
    /// It serves.
    Ready,
    /// It cannot start, and why.
    Failed(String),
    /// It has begun to end, and why: another one is needed.
    Leaving(String),
}

/// All that a worker needs to start.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) sources: Vec<Source>,
    pub(crate) signals: Option<Vec<Signal>>,
    pub(crate) sockets: Sockets,
    pub(crate) facts: Facts,
}

/// The worker's end, reading.
#[derive(Debug)]
pub(crate) struct Reader {
    stream: UnixStream,
    bytes: Vec<u8>,
    descriptors: VecDeque<OwnedFd>,
}

impl Reader {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            bytes: Vec::new(),
            descriptors: VecDeque::new(),
        }
    }

    /// Takes all up to the word to start.
    pub(crate) fn start(&mut self) -> io::Result<Start> {
        let mut start = Start {
            sources: Vec::new(),
            signals: None,
            sockets: Sockets::default(),
            facts: Facts::default(),
        };
        loop {
            match self.next()?.ok_or(io::ErrorKind::UnexpectedEof)? {
                ToWorker::Source { name, yaml } => start.sources.push(Source::Text { name, yaml }),
                ToWorker::Socket { name, endpoint } => {
                    let descriptor = self.descriptors.pop_front();
                    let listener = TcpListener::from(descriptor.ok_or(io::ErrorKind::InvalidData)?);
                    start.sockets.push(Wanted { name, endpoint }, listener);
                }
                ToWorker::Facts(facts) => start.facts = facts,
                ToWorker::Start { signals } => {
                    start.signals = signals.map(|names| {
                        let known = names.iter().filter_map(|name| Signal::from_name(name));
                        known.collect()
                    });
                    return Ok(start);
                }
            }
        }
    }

    /// The next line; `None` at the end of the supervisor. Blocks.
    pub(crate) fn next(&mut self) -> io::Result<Option<ToWorker>> {
        let mut seen = 0;
        loop {
            while let Some(end) = self.bytes[seen..].iter().position(|byte| *byte == b'\n') {
                let line: Vec<_> = self.bytes.drain(..=seen + end).collect();
                seen = 0;
                if let Ok(known) = serde_json::from_slice(&line) {
                    return Ok(Some(known));
                }
            }
            seen = self.bytes.len();
            if self.read()? == 0 {
                return Ok(None);
            }
        }
    }

    fn read(&mut self) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let filled = self.bytes.len();
        self.bytes.resize(filled + READ, 0);
        let received = loop {
            let mut parts = [IoSliceMut::new(&mut self.bytes[filled..])];
            let flags = RecvFlags::CMSG_CLOEXEC;
            match recvmsg(&self.stream, &mut parts, &mut control, flags) {
                Err(Errno::INTR) => {}
                received => {
                    break received.map_or_else(
                        // A peer that was killed with lines of ours unread.
                        |error| {
                            if error == Errno::CONNRESET {
                                Ok(0)
                            } else {
                                Err(error)
                            }
                        },
                        |received| Ok(received.bytes),
                    );
                }
            }
        };
        self.bytes.truncate(filled + received.unwrap_or(0));
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
            }
        }
        Ok(received?)
    }
}

/// Tells the supervisor. That it has gone is found by reading.
pub(crate) fn tell(stream: &UnixStream, word: &ToSupervisor) {
    if let Ok(line) = line(word) {
        let mut stream = stream;
        let _told = stream.write_all(&line).is_ok();
    }
}

/// Gives a worker all that it needs to start.
pub(crate) async fn give(
    stream: &tokio::net::UnixStream,
    sources: &[Source],
    signals: Option<&[Signal]>,
    sockets: &Sockets,
    facts: &Facts,
) -> io::Result<()> {
    for source in sources {
        if let Source::Text { name, yaml } = source {
            let (name, yaml) = (name.clone(), yaml.clone());
            send(stream, &ToWorker::Source { name, yaml }, None).await?;
        }
    }
    for socket in sockets.iter() {
        let Wanted { name, endpoint } = socket.wanted.clone();
        let descriptor = Some(socket.listener.as_fd());
        send(stream, &ToWorker::Socket { name, endpoint }, descriptor).await?;
    }
    send(stream, &ToWorker::Facts(facts.clone()), None).await?;
    let signals = signals.map(|signals| signals.iter().map(ToString::to_string).collect());
    send(stream, &ToWorker::Start { signals }, None).await
}

/// Sends one line, with a descriptor if there is one.
pub(crate) async fn send(
    stream: &tokio::net::UnixStream,
    word: &ToWorker,
    descriptor: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let line = line(word)?;
    let mut rest = line.as_slice();
    // The descriptor goes with the first byte.
    let mut descriptors = descriptor.as_slice();
    while !rest.is_empty() {
        let sent = stream
            .async_io(Interest::WRITABLE, || {
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
                let mut control = SendAncillaryBuffer::new(&mut space);
                if !descriptors.is_empty() {
                    control.push(SendAncillaryMessage::ScmRights(descriptors));
                }
                let flags = SendFlags::NOSIGNAL;
                Ok(sendmsg(stream, &[IoSlice::new(rest)], &mut control, flags)?)
            })
            .await?;
        rest = &rest[sent..];
        descriptors = &[];
    }
    Ok(())
}

fn line<T: Serialize>(word: &T) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(word)?;
    line.push(b'\n');
    Ok(line)
}
