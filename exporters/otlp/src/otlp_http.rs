//! OTLP over HTTP: one POST per batch, protobuf or JSON.
//!
//! *Invariant:* every way in which a request can end has one meaning, decided in [`crate::verdict`].

use crate::request::{blocking, compressed};
use crate::verdict::{Failure, of_http, of_response};
use crate::{BuildError, USER_AGENT};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header};
use penstock_exporter_harness::{ExportBatch, Exported};
use penstock_exporter_http::{Answer, Headers, Tls, Transport};
use penstock_otlp::compress::Encoding;
use penstock_otlp::json;
use penstock_otlp::response::ExportResponse;
use penstock_otlp::status::Status;
use penstock_settings::OtlpHttp;
use penstock_tls::Watched;
use std::sync::Arc;
use std::time::Duration;

const JSON: &str = "application/json";
const PROTOBUF: &str = "application/x-protobuf";

/// A backend reached over HTTP.
#[derive(Debug)]
pub(crate) struct HttpBackend {
    tls: Tls,
    /// By [`penstock_otlp::Signal::index`].
    targets: [Option<Target>; 3],
    headers: Headers,
    compression: Encoding,
    json: bool,
    timeout: Duration,
}

#[derive(Debug)]
struct Target {
    uri: Uri,
    transport: Transport,
}

impl HttpBackend {
    pub(crate) fn new(settings: &OtlpHttp, timeout: Duration) -> Result<Self, BuildError> {
        let mut all = Headers::new(&settings.headers, settings.credentials.as_ref())?;
        let headers = &mut all.fixed;
        let content_type = if settings.json { JSON } else { PROTOBUF };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers
            .entry(header::USER_AGENT)
            .or_insert(HeaderValue::from_static(USER_AGENT));
        if settings.compression != Encoding::Identity {
            let name = HeaderValue::from_static(settings.compression.as_str());
            headers.insert(header::CONTENT_ENCODING, name);
        }
        let tls = Tls::new(&settings.tls);
        let mut targets = [None, None, None];
        for (target, url) in targets.iter_mut().zip(&settings.urls) {
            let Some(url) = url else { continue };
            let uri: Uri =
                url.parse()
                    .map_err(|error: http::uri::InvalidUri| BuildError::Endpoint {
                        endpoint: url.clone(),
                        what: error.to_string(),
                    })?;
            let transport = Transport::new(&uri, &tls, false)?;
            *target = Some(Target { uri, transport });
        }
        Ok(Self {
            tls,
            targets,
            headers: all,
            compression: settings.compression,
            json: settings.json,
            timeout,
        })
    }

    pub(crate) fn files(&self) -> Vec<Arc<dyn Watched>> {
        [self.tls.files(), self.headers.files()].concat()
    }

    pub(crate) async fn export(&self, batch: &ExportBatch) -> Result<Exported, Failure> {
        let signal = batch.signal;
        let Some(target) = &self.targets[signal.index()] else {
            let reason = format!("no endpoint for {signal}: set `endpoint` or `{signal}_endpoint`");
            return Err(Failure::Misconfigured { reason });
        };
        let body = if self.json {
            let batch = batch.clone();
            let text = blocking(move || {
                let body = batch.body();
                let mut text = Vec::with_capacity(body.len() * 2);
                json::from_proto(signal, &body, &mut text);
                Bytes::from(text)
            });
            vec![text.await?]
        } else {
            batch.chunks.clone()
        };
        let body = compressed(self.compression, body).await?;
        let mut head = Request::new(());
        *head.method_mut() = Method::POST;
        *head.uri_mut() = target.uri.clone();
        *head.headers_mut() = self.headers.now();
        match target.transport.send(&head, &body, self.timeout).await {
            Ok(answer) => judge(&answer),
            Err(error) => Err(Failure::retry(error.to_string())),
        }
    }
}

fn judge(answer: &Answer) -> Result<Exported, Failure> {
    let content_type = answer.headers.get(header::CONTENT_TYPE);
    let content_type = content_type
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if answer.status.is_success() {
        if let Some(cause) = &answer.cut {
            return Err(Failure::retry(format!("answer ends early: {cause}")));
        }
        let response = if content_type.starts_with(JSON) {
            ExportResponse::from_json(&answer.body)
        } else if content_type.starts_with(PROTOBUF) {
            ExportResponse::decode(&answer.body)
        } else {
            None
        };
        // The status says yes; a body that is not OTLP's says nothing.
        return Ok(of_response(response.unwrap_or_default()));
    }
    let message = if content_type.starts_with(PROTOBUF) {
        Status::decode(&answer.body).map(|status| status.message)
    } else {
        None
    };
    let message = message.unwrap_or_else(|| String::from_utf8_lossy(&answer.body).into_owned());
    Err(of_http(answer.status, &answer.headers, &message))
}
