//! The `otlp` and `otlphttp` exporters' process.

use penstock_exporter_harness::run;
use penstock_exporter_otlp::OtlpExporter;
use std::process::ExitCode;

fn main() -> ExitCode {
    run(
        "penstock-exporter-otlp",
        &["otlp", "otlp_grpc", "otlphttp", "otlp_http"],
        |exporter, _| {
            OtlpExporter::new(&exporter.backend, exporter.timeout)
                .map_err(|error| error.to_string())
        },
    )
}
