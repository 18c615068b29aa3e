//! The `prometheus` exporter's process.

use penstock_exporter_harness::run;
use penstock_exporter_prometheus::PrometheusExporter;
use std::process::ExitCode;

fn main() -> ExitCode {
    run(
        "penstock-exporter-prometheus",
        &["prometheus"],
        |exporter, settings| {
            PrometheusExporter::start(exporter, &settings.penstock.hop)
                .map_err(|error| error.to_string())
        },
    )
}
