//! Error codes of HTTP/2 and the kinds of fault we count.
//!
//! A fault names what the peer (or the network) did; the code is what we answer. One place maps neither to the other:
//! whoever finds the fault knows which code the RFC asks for.

use std::fmt;

/// An HTTP/2 error code, as in RST_STREAM and GOAWAY.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u32);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal;)*) => {
        impl ErrorCode {
            $($(#[$doc])* pub const $name: Self = Self($value);)*
        }

        impl fmt::Debug for ErrorCode {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {
                    $(Self::$name => f.write_str(stringify!($name)),)*
                    Self(other) => write!(f, "ErrorCode({other:#x})"),
                }
            }
        }
    };
}

codes! {
    /// Not an error: a graceful end.
    NO_ERROR = 0x0;
    /// The peer broke a rule that has no code of its own.
    PROTOCOL_ERROR = 0x1;
    /// Our own fault.
    INTERNAL_ERROR = 0x2;
    /// More data than the window allowed, or a window beyond its maximum.
    FLOW_CONTROL_ERROR = 0x3;
    /// Our settings were not acknowledged in time.
    SETTINGS_TIMEOUT = 0x4;
    /// A frame on a stream that has ended.
    STREAM_CLOSED = 0x5;
    /// A frame of a size that its type does not allow.
    FRAME_SIZE_ERROR = 0x6;
    /// The call was not begun and may be sent again.
    REFUSED_STREAM = 0x7;
    /// The call is no longer wanted.
    CANCEL = 0x8;
    /// The header compression state is lost.
    COMPRESSION_ERROR = 0x9;
    /// The peer is a burden.
    ENHANCE_YOUR_CALM = 0xb;
}

/// What went wrong on a connection or stream: the `kind` label of `penstock_http2_faults_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The connection did not begin with the HTTP/2 preface and SETTINGS.
    Preface,
    /// A rule of the protocol was broken.
    Protocol,
    /// A frame had a size that is not allowed.
    FrameSize,
    /// A header block could not be decoded.
    Compression,
    /// A window was overrun or overflowed.
    FlowControl,
    /// A frame came for a stream that had ended.
    ClosedStream,
    /// Headers or lengths of a request contradict the rules; only that stream is reset.
    MalformedRequest,
    /// More headers than the limit; answered with status 431.
    HeaderListTooLarge,
    /// A header block in too many pieces or too many bytes.
    ContinuationFlood,
    /// More PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty or unknown frames than the work done pays for.
    ControlFlood,
    /// More cancelled or refused streams than the work done pays for (rapid reset).
    ResetFlood,
    /// A stream above the advertised number of concurrent ones.
    RefusedStream,
    /// Preface and SETTINGS did not come in time.
    SlowHandshake,
    /// A header block was begun and not ended in time.
    SlowHeaders,
    /// A frame was begun and not ended in time.
    SlowFrame,
    /// A request's body made no progress although it might have.
    SlowBody,
    /// Our settings were not acknowledged in time.
    SettingsTimeout,
    /// A keepalive ping was not answered.
    KeepaliveTimeout,
    /// The peer did not read what we wrote.
    WriteStalled,
    /// The peer gave no window for an answer in time.
    ResponseStalled,
    /// Answers that wait for the peer's window take too much memory.
    ResponseOverflow,
    /// A call was cut off because the grace or drain deadline had come.
    Deadline,
}

impl Fault {
    /// Every kind, in the order of its number.
    pub const ALL: [Self; 22] = [
        Self::Preface,
        Self::Protocol,
        Self::FrameSize,
        Self::Compression,
        Self::FlowControl,
        Self::ClosedStream,
        Self::MalformedRequest,
        Self::HeaderListTooLarge,
        Self::ContinuationFlood,
        Self::ControlFlood,
        Self::ResetFlood,
        Self::RefusedStream,
        Self::SlowHandshake,
        Self::SlowHeaders,
        Self::SlowFrame,
        Self::SlowBody,
        Self::SettingsTimeout,
        Self::KeepaliveTimeout,
        Self::WriteStalled,
        Self::ResponseStalled,
        Self::ResponseOverflow,
        Self::Deadline,
    ];

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Preface => "preface",
            Self::Protocol => "protocol",
            Self::FrameSize => "frame_size",
            Self::Compression => "compression",
            Self::FlowControl => "flow_control",
            Self::ClosedStream => "closed_stream",
            Self::MalformedRequest => "malformed_request",
            Self::HeaderListTooLarge => "header_list_too_large",
            Self::ContinuationFlood => "continuation_flood",
            Self::ControlFlood => "control_flood",
            Self::ResetFlood => "reset_flood",
            Self::RefusedStream => "refused_stream",
            Self::SlowHandshake => "slow_handshake",
            Self::SlowHeaders => "slow_headers",
            Self::SlowFrame => "slow_frame",
            Self::SlowBody => "slow_body",
            Self::SettingsTimeout => "settings_timeout",
            Self::KeepaliveTimeout => "keepalive_timeout",
            Self::WriteStalled => "write_stalled",
            Self::ResponseStalled => "response_stalled",
            Self::ResponseOverflow => "response_overflow",
            Self::Deadline => "deadline",
        }
    }
}

/// Why a connection ended: the `reason` label of `penstock_http2_connections_closed_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// The peer closed it or said GOAWAY.
    Peer,
    /// Reading or writing failed.
    Broken,
    /// The shutdown signal came and all calls were answered or cut off.
    Drained,
    /// It had reached its maximum age.
    Aged,
    /// It had been without calls for the idle time-out.
    Idle,
    /// We ended it because of a fault.
    Fault(Fault),
}

impl End {
    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Broken => "broken",
            Self::Drained => "drained",
            Self::Aged => "aged",
            Self::Idle => "idle",
            Self::Fault(_) => "fault",
        }
    }
}

/// Ends the connection with this code because of this fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fatal(pub(crate) ErrorCode, pub(crate) Fault);

impl Fatal {
    pub(crate) const PROTOCOL: Self = Self(ErrorCode::PROTOCOL_ERROR, Fault::Protocol);
    pub(crate) const FRAME_SIZE: Self = Self(ErrorCode::FRAME_SIZE_ERROR, Fault::FrameSize);
    pub(crate) const FLOW_CONTROL: Self = Self(ErrorCode::FLOW_CONTROL_ERROR, Fault::FlowControl);
}
