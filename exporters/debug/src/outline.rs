//! The outline of a request: how many of what it holds, without its contents.
//!
//! *Invariant:* copies nothing. The three signals have one shape down to spans, metrics and log records.

use bytes::Bytes;
use prost::Message;

/// Any signal's Export request.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Outline {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<Resource>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<Scope>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(bytes = "bytes", repeated, tag = "2")]
    leaves: Vec<Bytes>,
}

impl Outline {
    /// ResourceSpans, ResourceMetrics or ResourceLogs.
    pub(crate) fn resources(&self) -> usize {
        self.resources.len()
    }

    /// Spans, metrics or log records.
    pub(crate) fn leaves(&self) -> usize {
        let scopes = self.resources.iter().flat_map(|resource| &resource.scopes);
        scopes.map(|scope| scope.leaves.len()).sum()
    }
}
