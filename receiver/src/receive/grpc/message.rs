//! gRPC's framing: one message with a prefix of five bytes, then the end.
//!
//! *Invariant:* at most the frame in which the prefix lies has been pulled before [`BodySource::chunk`] is asked.

use crate::pipeline::{BodyError, BodySource};
use bytes::{Buf, Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use penstock_otlp::compress::Encoding;
use penstock_otlp::status::{Code, Status};
use std::time::Duration;
use tokio::time::timeout;

/// Compressed flag and length.
const PREFIX: usize = 5;

/// The one message of a unary call.
#[derive(Debug)]
pub(super) struct Message<B> {
    body: B,
    /// Pulled and not yet handed on.
    rest: Bytes,
    len: usize,
    left: usize,
    encoding: Encoding,
    ended: bool,
}

impl<B: Body<Data = Bytes> + Send + Unpin> Message<B> {
    /// Reads the prefix.
    pub(super) async fn open(
        body: B,
        encoding: Encoding,
        read_timeout: Duration,
    ) -> Result<Self, Status> {
        let mut message = Self {
            body,
            rest: Bytes::new(),
            len: 0,
            left: 0,
            encoding,
            ended: false,
        };
        match timeout(read_timeout, message.prefix()).await {
            Ok(result) => result.map(|()| message),
            Err(_late) => Err(Status::new(
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

    /// The next data of the stream; trailers are passed over.
    async fn data(&mut self) -> Result<Option<Bytes>, BodyError> {
        while !self.ended {
            match self.body.frame().await {
                None => self.ended = true,
                Some(Err(_reset)) => return Err(BodyError::Gone),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data()
                        && !data.is_empty()
                    {
                        return Ok(Some(data));
                    }
                }
            }
        }
        Ok(None)
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        if self.rest.is_empty() {
            self.rest = match self.data().await? {
                Some(data) => data,
                None if self.left > 0 => return Err(BodyError::Malformed(truncated())),
                None => return Ok(None),
            };
        }
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

impl<B: Body<Data = Bytes> + Send + Unpin> BodySource for Message<B> {
    async fn chunk(&mut self) -> Option<Result<Bytes, BodyError>> {
        self.next().await.transpose()
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
