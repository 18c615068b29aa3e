//! The `debug` exporter's process.

use penstock_exporter_debug::DebugExporter;
use penstock_exporter_harness::run;
use penstock_settings::Backend;
use std::process::ExitCode;

fn main() -> ExitCode {
    run(
        "penstock-exporter-debug",
        &["debug"],
        |exporter, _| match &exporter.backend {
            Backend::Debug(debug) => Ok(DebugExporter::new(
                &exporter.id.0,
                debug,
                Box::new(std::io::stdout()),
            )),
            _ => Err(format!("{} is not a debug exporter", exporter.id)),
        },
    )
}
