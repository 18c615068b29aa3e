//! Prints `docs/metrics.md` as the code would have it, for `cargo xtask docs`.

use penstock_metrics::page::{Section, page};

fn main() {
    let mut sections = penstock_receiver::catalogue::metrics();
    sections.push(penstock_exporter_harness::metrics());
    sections.push(Section {
        title: "Both tiers: TLS and files that change",
        binary: "all",
        about: "`setting` is the dotted path of a section of the configuration, as in `receivers.otlp.protocols.grpc.tls`.",
        metrics: penstock_tls::METRICS,
    });
    sections.push(penstock_exporter_prometheus::metrics());
    print!("{}", page(&sections));
}
