//! The `prometheusremotewrite` exporter's process.

use penstock_exporter_harness::run;
use penstock_exporter_remotewrite::RemoteWriteExporter;
use std::process::ExitCode;

fn main() -> ExitCode {
    run(
        "penstock-exporter-remotewrite",
        &["prometheusremotewrite", "prometheus_remote_write"],
        |exporter, _| {
            RemoteWriteExporter::new(&exporter.backend, exporter.timeout)
                .map_err(|error| error.to_string())
        },
    )
}
