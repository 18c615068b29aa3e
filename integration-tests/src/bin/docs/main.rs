//! Prints `docs/metrics.md` as the code would have it, for `cargo xtask docs`.

use penstock_metrics::page::page;

fn main() {
    let mut sections = penstock_receiver::catalogue::metrics();
    sections.push(penstock_exporter_harness::metrics());
    sections.push(penstock_exporter_prometheus::metrics());
    print!("{}", page(&sections));
}
