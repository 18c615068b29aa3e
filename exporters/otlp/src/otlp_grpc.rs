//! OTLP over gRPC: one unary call per batch, without decoding it.
//!
//! *Invariant:* every way in which a call can end has one meaning, decided in [`crate::verdict`].
//!
//! Unary gRPC is an HTTP/2 POST whose body is five bytes and the message, so it needs no more than the HTTP client.

use crate::request::compressed;
use crate::verdict::{Failure, of_http, of_response, of_status};
use crate::{BuildError, USER_AGENT};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, Version, header};
use penstock_exporter_harness::{ExportBatch, Exported};
use penstock_exporter_http::{Answer, Headers, Tls, Transport};
use penstock_otlp::compress::Encoding;
use penstock_otlp::response::ExportResponse;
use penstock_otlp::status::{Code, Status};
use penstock_settings::OtlpGrpc;
use penstock_tls::Watched;
use std::sync::Arc;
use std::time::Duration;

const PREFIX: usize = 5;
/// Libraries differ in whether they pad.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A backend reached over gRPC.
#[derive(Debug)]
pub(crate) struct GrpcBackend {
    tls: Tls,
    transport: Transport,
    origin: Uri,
    headers: Headers,
    compression: Encoding,
    timeout: Duration,
}

impl GrpcBackend {
    pub(crate) fn new(settings: &OtlpGrpc, timeout: Duration) -> Result<Self, BuildError> {
        if settings.compression == Encoding::Deflate {
            let name = settings.compression.as_str();
            return Err(BuildError::Setting(format!(
                "compression `{name}` does not exist in gRPC: use gzip, zstd or none"
            )));
        }
        let origin = origin(settings)?;
        let mut all = Headers::new(&settings.headers, settings.credentials.as_ref())?;
        let headers = &mut all.fixed;
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/grpc"),
        );
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        // gRPC allows eight digits.
        let timeout_ms = timeout.as_millis().min(99_999_999);
        if let Ok(value) = HeaderValue::from_str(&format!("{timeout_ms}m")) {
            headers.insert("grpc-timeout", value);
        }
        if settings.compression != Encoding::Identity {
            let name = HeaderValue::from_static(settings.compression.as_str());
            headers.insert("grpc-encoding", name);
        }
        let tls = Tls::new(&settings.tls);
        Ok(Self {
            transport: Transport::new(&origin, &tls, true)?,
            tls,
            origin,
            headers: all,
            compression: settings.compression,
            timeout,
        })
    }

    pub(crate) fn files(&self) -> Vec<Arc<dyn Watched>> {
        [self.tls.files(), self.headers.files()].concat()
    }

    pub(crate) async fn export(&self, batch: &ExportBatch) -> Result<Exported, Failure> {
        let message = compressed(self.compression, batch.chunks.clone()).await?;
        let length = message.iter().map(Bytes::len).sum::<usize>();
        let mut prefix = [0; PREFIX];
        prefix[0] = u8::from(self.compression != Encoding::Identity);
        let length = u32::try_from(length).map_err(|_| Failure::TooLarge {
            reason: "a gRPC message is at most 4 GiB".to_owned(),
        })?;
        prefix[1..].copy_from_slice(&length.to_be_bytes());

        let mut parts = self.origin.clone().into_parts();
        parts.path_and_query = Some(http::uri::PathAndQuery::from_static(
            batch.signal.grpc_path(),
        ));
        let mut head = Request::new(());
        *head.method_mut() = Method::POST;
        *head.version_mut() = Version::HTTP_2;
        *head.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
        *head.headers_mut() = self.headers.now();
        let body = [&[Bytes::copy_from_slice(&prefix)], &message[..]].concat();
        match self.transport.send(&head, &body, self.timeout).await {
            Ok(answer) => judge(&answer),
            Err(error) => Err(Failure::retry(error.to_string())),
        }
    }
}

/// Scheme and authority to call.
fn origin(settings: &OtlpGrpc) -> Result<Uri, BuildError> {
    let endpoint = settings.endpoint.trim();
    let wrong = |what: &str| BuildError::Endpoint {
        endpoint: endpoint.to_owned(),
        what: what.to_owned(),
    };
    // As in the Collector, an authority to verify means TLS even where `insecure` is set.
    let is_plain = settings.tls.insecure && settings.tls.ca.is_none();
    let (scheme, rest) = match endpoint.split_once("://") {
        None => (if is_plain { "http" } else { "https" }, endpoint),
        Some(("http", rest)) => ("http", rest),
        Some(("https", rest)) => ("https", rest),
        // `dns://authority/host` names a DNS server, which nobody uses.
        Some(("dns", rest)) if rest.starts_with('/') => {
            (if is_plain { "http" } else { "https" }, &rest[1..])
        }
        Some(_) => return Err(wrong("use host:port, http://, https:// or dns:///")),
    };
    let authority = rest.trim_end_matches('/');
    let uri = Uri::builder()
        .scheme(scheme)
        .authority(authority)
        .path_and_query("/")
        .build();
    let uri = uri.map_err(|_| wrong("not host:port"))?;
    if uri.port_u16().is_none() && !endpoint.contains("://") {
        return Err(wrong("no port"));
    }
    Ok(uri)
}

fn judge(answer: &Answer) -> Result<Exported, Failure> {
    let text = |name: &str| {
        let value = answer
            .trailers
            .get(name)
            .or_else(|| answer.headers.get(name));
        value.and_then(|value| value.to_str().ok())
    };
    let Some(code) = text("grpc-status") else {
        // Not gRPC: a proxy in between speaks, or the port is another one.
        if !answer.status.is_success() {
            let message = String::from_utf8_lossy(&answer.body);
            return Err(of_http(answer.status, &answer.headers, &message));
        }
        let cause = answer.cut.as_deref().unwrap_or("no grpc-status");
        return Err(Failure::retry(format!("answer without a status: {cause}")));
    };
    let code = code.parse().map_or(Code::Unknown, Code::from_number);
    if code == Code::Ok {
        let message = answer.body.get(PREFIX..).unwrap_or_default();
        return Ok(of_response(
            ExportResponse::decode(message).unwrap_or_default(),
        ));
    }
    let details = text("grpc-status-details-bin")
        .and_then(|details| BASE64.decode(details).ok())
        .and_then(|details| Status::decode(&details));
    let message = text("grpc-message")
        .map(percent_decoded)
        .unwrap_or_default();
    let retry_after = details.and_then(|details| details.retry_after);
    Err(of_status(&Status {
        code,
        message,
        retry_after,
    }))
}

/// gRPC's percent encoding; what is not valid stays as it is.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = text
            .get(at + 1..at + 3)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex {
            Some(byte) if bytes[at] == b'%' => {
                decoded.push(byte);
                at += 3;
            }
            _ => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
