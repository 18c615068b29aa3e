//! Every metric that the receiver exposes, for its page in the docs and for tests.

use crate::{link, metrics};
use penstock_metrics::page::Section;

/// In the order of the data's way. The Collector's names are not among them: see [`penstock_metrics::otelcol`].
#[must_use]
pub fn metrics() -> Vec<Section> {
    let section = |title, about, metrics| Section {
        title,
        binary: "receiver",
        about,
        metrics,
    };
    vec![
        section("Receiver: left of the ack", "", metrics::METRICS),
        section(
            "Receiver: supervisor",
            "Exposed by the worker, since the supervisor serves nothing; also as JSON at `/supervisor`, with the fault in words and the process ids.",
            link::METRICS,
        ),
        section(
            "Receiver: HTTP/2 of the gRPC port",
            "",
            penstock_http2::metrics::METRICS,
        ),
        section(
            "Receiver: right of the ack",
            "The ledger: for each signal, pipeline and exporter `accepted = delivered + rejected + dropped + held`, exact at any moment; also as JSON at `/ledger`.",
            penstock_batcher::METRICS,
        ),
        section(
            "Receiver: dead letters",
            "",
            penstock_batcher::dead_letter::METRICS,
        ),
        section("Receiver: hop", "", penstock_hop::METRICS),
    ]
}
