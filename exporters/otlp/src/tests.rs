//! Both protocols against a backend that does what the test says.

use crate::OtlpExporter;
use penstock_exporter_harness::{ExportBatch, ExportError, Exported, Exporter};
use penstock_otlp::Signal;
use penstock_otlp::compress::Encoding;
use penstock_settings::{Backend as Settings, ClientTls, OtlpGrpc, OtlpHttp};
use penstock_testkit::{Answer, Backend, numbered, request};
use std::time::Duration;

mod answers;
mod faults;
mod requests;
mod secure;

const AMPLE: Duration = Duration::from_secs(60);

fn grpc(backend: &Backend) -> OtlpGrpc {
    OtlpGrpc {
        endpoint: backend.address().to_string(),
        tls: ClientTls {
            insecure: true,
            ..ClientTls::default()
        },
        compression: Encoding::Identity,
        headers: Vec::new(),
        credentials: None,
    }
}

fn http_at(base: &str) -> OtlpHttp {
    OtlpHttp {
        urls: Signal::ALL.map(|signal| Some(format!("{base}{}", signal.http_path()))),
        tls: ClientTls::default(),
        compression: Encoding::Identity,
        headers: Vec::new(),
        credentials: None,
        json: false,
    }
}

fn http(backend: &Backend) -> OtlpHttp {
    http_at(&backend.url())
}

fn over_grpc(settings: OtlpGrpc) -> OtlpExporter {
    OtlpExporter::new(&Settings::OtlpGrpc(settings), AMPLE).unwrap()
}

fn over_http(settings: OtlpHttp) -> OtlpExporter {
    OtlpExporter::new(&Settings::OtlpHttp(settings), AMPLE).unwrap()
}

fn both(backend: &Backend) -> [OtlpExporter; 2] {
    [over_grpc(grpc(backend)), over_http(http(backend))]
}

fn batch(signal: Signal, items: usize) -> ExportBatch {
    let ids = numbered("item", items);
    ExportBatch {
        signal,
        chunks: vec![request(signal.name(), &ids)],
        items,
    }
}

async fn export(exporter: &OtlpExporter) -> Result<Exported, ExportError> {
    exporter.export(&batch(Signal::Traces, 3)).await
}

fn refusal(settings: Settings) -> String {
    OtlpExporter::new(&settings, AMPLE).unwrap_err().to_string()
}
