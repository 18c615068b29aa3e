//! Transports: from an accepted connection to a [`Call`](crate::pipeline::Call) with its body, and back to an answer.
//!
//! *Invariant:* nothing behind this module knows hyper, HTTP or gRPC. The gRPC port runs on `penstock-http2`, the HTTP port
//! on hyper.

pub(crate) mod connection;
pub(crate) mod cors;
pub(crate) mod grpc;
pub(crate) mod http;
pub(crate) mod listener;
pub(crate) mod parking;
pub(crate) mod serve;

use crate::identify::forwarded_for;
use crate::metrics::Entrance;
use crate::pipeline::{Peer, Pipeline};
use ::http::HeaderMap;
use std::net::IpAddr;
use std::sync::Arc;

/// What one signal's calls go through: its pipeline, and the counts of the way in.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) entrance: Arc<Entrance>,
}

/// A route per signal, by index; `None` where the signal is not served.
pub(crate) type Routes = [Option<Route>; 3];

/// Who sends, by connection and by header.
pub(crate) fn peer(address: IpAddr, headers: &HeaderMap) -> Peer {
    // Proxies may each add a line of their own: the last one is nearest to us.
    let forwarded = headers.get_all("x-forwarded-for").iter().next_back();
    let forwarded_for = forwarded
        .and_then(|value| value.to_str().ok())
        .and_then(forwarded_for);
    Peer {
        address,
        forwarded_for,
    }
}

/// A header's value if it is there once and readable; empty otherwise.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
