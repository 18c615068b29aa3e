//! The OpenTelemetry SDKs as clients: all three signals arrive unchanged, compared after decoding.

use super::delivered::items;
use super::tiers::{ExporterProcess, ReceiverProcess, folder};
use crate::fail::{Outcome, bail};
use crate::{sh, tools};
use std::path::Path;

/// Python over gRPC and over HTTP with protobuf and gzip.
pub(crate) fn python() -> Outcome {
    let python = tools::python()?.to_string_lossy().into_owned();
    for (protocol, port) in [("grpc", "grpc"), ("http", "http")] {
        unchanged(
            &folder(&format!("sdk-python-{protocol}"))?,
            |receiver, sent| {
                let endpoint = format!("http://{}", receiver.address(port)?);
                let script = "integration-tests/peers/sdk.py";
                sh::run(
                    &python,
                    [script, protocol, &endpoint, &sent.to_string_lossy()],
                )
            },
        )?;
    }
    Ok(())
}

/// JavaScript over HTTP with JSON.
pub(crate) fn javascript() -> Outcome {
    let packages = tools::node()?;
    unchanged(&folder("sdk-javascript")?, |receiver, sent| {
        let endpoint = format!("http://{}", receiver.address("http")?);
        let script = sh::root().join("integration-tests/peers/sdk.js");
        let words = [
            &script.to_string_lossy(),
            endpoint.as_str(),
            &sent.to_string_lossy(),
        ];
        sh::run_in(&packages, "node", words)
    })
}

fn unchanged(folder: &Path, client: impl FnOnce(&ReceiverProcess, &Path) -> Outcome) -> Outcome {
    let (sent, out) = (folder.join("sent.jsonl"), folder.join("otlp.jsonl"));
    let settings = format!("{{path: {}}}", out.display());
    let file = ExporterProcess::start(folder, "file", "file", &settings, "127.0.0.1:0")?;
    let receiver = ReceiverProcess::start(
        folder,
        &[("file", &settings, std::slice::from_ref(&file.hop))],
    )?;
    client(&receiver, &sent)?;
    receiver.settled(&[("traces", 20), ("metrics", 6), ("logs", 20)])?;
    receiver.stop()?;
    file.drain()?;

    let (sent, arrived) = (items(&sent)?, items(&out)?);
    let signals = ["traces", "metrics", "logs"];
    if let Some(signal) = signals
        .iter()
        .find(|signal| !sent.iter().any(|item| item.starts_with(*signal)))
    {
        bail!("the client sent no {signal}");
    }
    if sent != arrived {
        let missing = sent.iter().find(|item| !arrived.contains(item));
        let foreign = arrived.iter().find(|item| !sent.contains(item));
        bail!(
            "sent {} items, arrived {}:\n  sent    {missing:?}\n  arrived {foreign:?}",
            sent.len(),
            arrived.len()
        );
    }
    println!("{} items arrived unchanged", sent.len());
    Ok(())
}
