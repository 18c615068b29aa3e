//! The `file` exporter's process.

use penstock_exporter_file::FileExporter;
use penstock_exporter_harness::run;
use penstock_settings::Backend;
use std::process::ExitCode;

fn main() -> ExitCode {
    run(
        "penstock-exporter-file",
        &["file"],
        |exporter, _| match &exporter.backend {
            Backend::File(file) => FileExporter::open(file).map_err(|error| error.to_string()),
            _ => Err(format!("{} is not a file exporter", exporter.id)),
        },
    )
}
