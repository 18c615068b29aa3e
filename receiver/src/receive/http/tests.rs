//! OTLP/HTTP's statuses and bodies, without connections.

use super::*;
use crate::testing::{Bench, LIMITS, NO_RULES, PEER};
use penstock_otlp::compress::compress;
use penstock_otlp::json;
use penstock_otlp::status::Code;
use penstock_testkit::traces;

fn door(bench: &Bench) -> HttpDoor {
    HttpDoor {
        paths: ["/v1/traces", "/v1/metrics", "/v1/logs"].map(str::to_owned),
        routes: [Some(bench.route.clone()), None, None],
        limits: LIMITS,
        counts: Arc::clone(&bench.door),
        auth: None,
        cors: None,
        response_headers: HeaderMap::new(),
    }
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

async fn send(bench: &Bench, request: Request<Full<Bytes>>) -> Answer {
    let (head, body) = door(bench).answer(request, PEER).await.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body,
    }
}

fn post(path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut request = Request::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body.into())).unwrap()
}

fn as_json(body: &Bytes) -> Bytes {
    let mut out = Vec::new();
    json::from_proto(Signal::Traces, body, &mut out);
    Bytes::from(out)
}

#[tokio::test(start_paused = true)]
async fn answers_come_in_the_encoding_of_the_request() {
    let bench = Bench::new(Signal::Traces, NO_RULES);
    let body = traces(&["a"]);
    let proto = ("content-type", "application/x-protobuf");
    let json = ("content-type", "application/json; charset=utf-8");
    let answer = send(&bench, post("/v1/traces", &[proto], body.clone())).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(answer.headers["content-type"], PROTOBUF);
    let answer = send(&bench, post("/v1/traces", &[json], as_json(&body))).await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"{}"[..]));
    assert_eq!(answer.headers["content-type"], JSON);
    let delivered = bench.exporter.delivered(2).await.concat();
    assert_eq!(penstock_testkit::ids("traces", &delivered), ["a", "a"]);

    let answer = send(&bench, post("/v1/traces", &[proto], "junk")).await;
    let status = Status::decode(&answer.body).unwrap();
    assert_eq!((answer.status, status.code), (400, Code::InvalidArgument));
    let answer = send(&bench, post("/v1/traces", &[json], "junk")).await;
    let status: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status, &status["code"]), (400, &3.into()));
}

#[tokio::test(start_paused = true)]
async fn compressed_bodies_are_taken() {
    let bench = Bench::new(Signal::Traces, NO_RULES);
    for encoding in [
        Encoding::Gzip,
        Encoding::Zstd,
        Encoding::Deflate,
        Encoding::Identity,
    ] {
        let headers = [
            ("content-type", PROTOBUF),
            ("content-encoding", encoding.as_str()),
        ];
        let body = compress(encoding, &[traces(&["a"])]);
        assert_eq!(
            send(&bench, post("/v1/traces", &headers, body))
                .await
                .status,
            200
        );
    }
    bench.exporter.delivered(4).await;
}

#[tokio::test(start_paused = true)]
async fn bad_requests_get_the_status_that_says_what_is_wrong() {
    let bench = Bench::new(Signal::Traces, NO_RULES);
    let proto = ("content-type", PROTOBUF);
    let too_long = (LIMITS.max_bytes + 1).to_string();
    let cases = [
        (
            "unknown path",
            post("/v1/spans", &[proto], ""),
            404,
            "/v1/traces",
        ),
        (
            "signal not served",
            post("/v1/logs", &[proto], ""),
            404,
            "/v1/traces",
        ),
        (
            "no content type",
            post("/v1/traces", &[], ""),
            415,
            PROTOBUF,
        ),
        (
            "content type",
            post("/v1/traces", &[("content-type", "text/plain")], ""),
            415,
            JSON,
        ),
        (
            "encoding",
            post("/v1/traces", &[proto, ("content-encoding", "br")], ""),
            415,
            "zstd",
        ),
        (
            "declared",
            post("/v1/traces", &[proto, ("content-length", &too_long)], ""),
            413,
            "larger",
        ),
        (
            "oversized",
            post("/v1/traces", &[proto], vec![0; LIMITS.max_bytes + 1]),
            413,
            "larger",
        ),
    ];
    for (what, request, status, says) in cases {
        let answer = send(&bench, request).await;
        assert_eq!(answer.status, status, "{what}");
        let body = String::from_utf8_lossy(&answer.body);
        assert!(body.contains(says), "{what}: {body}");
        assert_eq!(bench.budget.held.used(), 0, "{what}");
    }
    let get = Request::get("/v1/traces").body(Full::default()).unwrap();
    let answer = send(&bench, get).await;
    assert_eq!(
        (answer.status, &answer.headers["allow"]),
        (405, &HeaderValue::from_static("POST"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_is_told_when_to_come_back() {
    let bench = Bench::new(Signal::Traces, NO_RULES);
    let _full = bench.budget.held.force(bench.budget.held.limit());
    let request = post(
        "/v1/traces",
        &[("content-type", PROTOBUF)],
        traces(&["a", "b"]),
    );
    let answer = send(&bench, request).await;
    assert_eq!(answer.status, 503);
    let after: u64 = answer.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=3).contains(&after));
    assert_eq!(bench.route.entrance.refused(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_page_may_ask_send_and_read_the_answer() {
    let bench = Bench::new(Signal::Traces, NO_RULES);
    let cors = penstock_settings::Cors {
        allowed_origins: vec!["*".to_owned()],
        ..Default::default()
    };
    let headers = [("x-served-by", "penstock")].map(|(name, value)| {
        let value = HeaderValue::from_static(value);
        (::http::HeaderName::from_static(name), value)
    });
    let door = HttpDoor {
        auth: None,
        cors: Some(Cors::new(&cors)),
        response_headers: HeaderMap::from_iter(headers),
        ..door(&bench)
    };
    let origin = ("origin", "https://shop.example");
    let ask = Request::options("/v1/traces")
        .header(origin.0, origin.1)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type");
    let ask = ask.body(Full::default()).unwrap();
    let proto = ("content-type", PROTOBUF);
    let body = traces(&["a"]);
    for request in [
        ask,
        post("/v1/traces", &[proto, origin], body),
        post("/v1/traces", &[proto, origin], "junk"),
        post("/nowhere", &[origin], ""),
    ] {
        let answer = door.answer(request, PEER).await;
        assert_eq!(answer.headers()["access-control-allow-origin"], origin.1);
        assert_eq!(answer.headers()["x-served-by"], "penstock");
    }
    assert_eq!(bench.exporter.delivered(1).await.len(), 1);
    let plain = Request::options("/v1/traces").body(Full::<Bytes>::default());
    let answer = door.answer(plain.unwrap(), PEER).await;
    assert_eq!(answer.status(), 405);
}
