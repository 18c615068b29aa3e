//! gRPC's framing: one message with a prefix of five bytes, then the end.
//!
//! A message that came in one DATA frame is handed on as a slice of what was read from the socket.
//!
//! *Invariant:* before [`BodySource::chunk`] is asked, at most the frame in which the prefix lies has been taken, and no
//! window has been given back.

use crate::pipeline::{BodyError, BodySource};
use crate::receive::parking::{Parked, Parking};
use crate::within::within;
use bytes::{Buf, Bytes, BytesMut};
use penstock_http2::Body;
use penstock_otlp::Signal;
use penstock_otlp::compress::Encoding;
use penstock_otlp::status::{Code, Status};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Compressed flag and length.
const PREFIX: usize = 5;
/// A held call's frame that is shorter is copied, so that it does not keep a whole read buffer.
const DETACH_BELOW: usize = 8 << 10;

/// The one message of a unary call.
#[derive(Debug)]
pub(super) struct Message {
    body: Body,
    /// Taken and not yet handed on.
    pub(super) rest: Bytes,
    /// Taken, and its window not yet given back.
    unreleased: usize,
    len: usize,
    left: usize,
    encoding: Encoding,
    place: Place,
    parked: Option<Parked>,
}

/// Where a call may be held.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) parking: Arc<Parking>,
    pub(super) signal: Signal,
    /// What a sender may send of a body that is not pulled.
    pub(super) stream_window: usize,
}

impl Message {
    /// Reads the prefix.
    pub(super) async fn open(
        body: Body,
        encoding: Encoding,
        place: Place,
        read_timeout: Duration,
    ) -> Result<Self, Status> {
        let mut message = Self {
            body,
            rest: Bytes::new(),
            unreleased: 0,
            len: 0,
            left: 0,
            encoding,
            place,
            parked: None,
        };
        match within(|| Instant::now() + read_timeout, message.prefix()).await {
            Some(result) => result.map(|()| message),
            None => Err(Status::new(
                Code::DeadlineExceeded,
                "the message took too long to arrive",
            )),
        }
    }

    /// Bytes of the message as it comes.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How this message is compressed: as the call's header says, if its flag is set.
    pub(super) fn encoding(&self) -> Encoding {
        self.encoding
    }

    async fn prefix(&mut self) -> Result<(), Status> {
        while self.rest.len() < PREFIX {
            let Some(data) = self.data().await.map_err(status)? else {
                return Err(if self.rest.is_empty() {
                    Status::new(Code::Unimplemented, "the call has no message")
                } else {
                    truncated()
                });
            };
            if self.rest.is_empty() {
                self.rest = data;
            } else {
                let mut joined = BytesMut::from(&self.rest[..]);
                joined.extend_from_slice(&data);
                self.rest = joined.freeze();
            }
        }
        match self.rest.get_u8() {
            0 => self.encoding = Encoding::Identity,
            1 if self.encoding == Encoding::Identity => {
                let message = "the message is marked as compressed, but grpc-encoding is identity";
                return Err(Status::new(Code::Internal, message));
            }
            1 => {}
            _ => {
                let message = "the message's compressed flag is neither 0 nor 1";
                return Err(Status::new(Code::Internal, message));
            }
        }
        self.len = self.rest.get_u32() as usize;
        self.left = self.len;
        Ok(())
    }

    /// The next data of the stream.
    async fn data(&mut self) -> Result<Option<Bytes>, BodyError> {
        match self.body.take().await {
            None => Ok(None),
            Some(Err(_closed)) => Err(BodyError::Gone),
            Some(Ok(data)) => {
                self.unreleased += data.len();
                Ok(Some(data))
            }
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        if self.rest.is_empty() {
            self.rest = match self.data().await? {
                Some(data) => data,
                None if self.left > 0 => return Err(BodyError::Malformed(truncated())),
                None => return Ok(None),
            };
        }
        self.body.release(std::mem::take(&mut self.unreleased));
        if self.left == 0 {
            let message = "a unary call has one message, and more follows";
            return Err(BodyError::Malformed(Status::new(
                Code::Unimplemented,
                message,
            )));
        }
        let chunk = self.rest.split_to(self.rest.len().min(self.left));
        self.left -= chunk.len();
        Ok(Some(chunk))
    }
}

impl BodySource for Message {
    async fn chunk(&mut self) -> Option<Result<Bytes, BodyError>> {
        self.parked = None;
        let parking = Arc::clone(&self.place.parking);
        let _pulling = parking.pull();
        self.next().await.transpose()
    }

    fn hold(&mut self) -> bool {
        let Place {
            parking,
            signal,
            stream_window,
        } = &self.place;
        self.parked = parking.park(*signal, (PREFIX + self.left).min(*stream_window));
        if self.parked.is_some() && self.rest.len() < DETACH_BELOW {
            self.rest = Bytes::copy_from_slice(&self.rest);
        }
        self.parked.is_some()
    }

    fn overdue(&mut self) {
        self.place.parking.overdue(self.place.signal);
    }
}

fn truncated() -> Status {
    Status::new(
        Code::Internal,
        "the message ends before its declared length",
    )
}

fn status(error: BodyError) -> Status {
    match error {
        BodyError::Gone => Status::new(Code::Cancelled, "the sender has gone"),
        BodyError::Malformed(status) => status,
    }
}
