//! What browsers are told.

use super::*;
use ::http::Request;
use std::time::Duration;

fn cors(origins: &[&str], headers: &[&str]) -> Cors {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Cors::new(&Settings {
        allowed_origins: owned(origins),
        allowed_headers: owned(headers),
        exposed_headers: owned(&["X-One", "X-Two"]),
        max_age: Duration::from_secs(60),
    })
}

fn asked(cors: &Cors, method: &str, headers: &[(&str, &str)]) -> Option<HeaderMap> {
    let mut request = Request::builder().method(method);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (head, ()) = request.body(()).unwrap().into_parts();
    let response = cors.preflight(&head)?;
    assert_eq!(response.status(), 204);
    Some(response.headers().clone())
}

fn may_send(cors: &Cors, origin: &str, headers: &str) -> bool {
    let asks = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", headers),
    ];
    let answer = asked(cors, "OPTIONS", &asks).unwrap();
    if !answer.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        return false;
    }
    // A browser that sends credentials takes nothing but its own origin.
    assert_eq!(answer[ACCESS_CONTROL_ALLOW_ORIGIN], origin);
    assert_eq!(answer[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
    assert_eq!(answer[ACCESS_CONTROL_ALLOW_METHODS], "POST");
    assert_eq!(answer[ACCESS_CONTROL_ALLOW_HEADERS], headers);
    assert_eq!(answer[ACCESS_CONTROL_MAX_AGE], "60");
    true
}

#[test]
fn pages_of_allowed_origins_may_send() {
    for (origins, origin, may) in [
        (&["https://shop.example"][..], "https://shop.example", true),
        (&["https://shop.example"], "https://Shop.example", true),
        (
            &["https://shop.example"],
            "https://shop.example.evil",
            false,
        ),
        (
            &["http://a", "https://*.example"],
            "https://x.y.example",
            true,
        ),
        (&["https://*.example"], "https://example", false),
        (&["https://*.example"], "https://.exampl", false),
        (&["*"], "https://anything", true),
        (&[], "https://anything", false),
    ] {
        assert_eq!(
            may_send(&cors(origins, &[]), origin, "content-type"),
            may,
            "{origins:?} {origin}"
        );
    }
}

#[test]
fn only_allowed_headers_may_be_sent() {
    let some = cors(&["*"], &["X-Tenant"]);
    assert!(may_send(&some, "https://a", "content-type, x-tenant"));
    assert!(!may_send(&some, "https://a", "x-tenant, x-other"));
    assert!(may_send(&cors(&["*"], &["*"]), "https://a", "x-other"));
}

#[test]
fn other_requests_are_no_question() {
    let any = cors(&["*"], &[]);
    let method = ("access-control-request-method", "POST");
    assert!(asked(&any, "OPTIONS", &[("origin", "https://a")]).is_none());
    assert!(asked(&any, "OPTIONS", &[method]).is_none());
    assert!(asked(&any, "POST", &[("origin", "https://a"), method]).is_none());
    let other = [
        ("origin", "https://a"),
        ("access-control-request-method", "PUT"),
    ];
    assert!(
        !asked(&any, "OPTIONS", &other)
            .unwrap()
            .contains_key(ACCESS_CONTROL_ALLOW_ORIGIN)
    );
}

#[test]
fn answers_may_be_read_by_who_may_send() {
    let some = cors(&["https://a"], &[]);
    let answer = |origin: &str| {
        let mut answer = HeaderMap::new();
        let asked = HeaderMap::from_iter([(ORIGIN, HeaderValue::try_from(origin).unwrap())]);
        some.mark(&asked, &mut answer);
        answer
    };
    let read = answer("https://a");
    assert_eq!(
        (&read[ACCESS_CONTROL_ALLOW_ORIGIN], &read[VARY]),
        (
            &HeaderValue::from_static("https://a"),
            &HeaderValue::from_static("Origin")
        )
    );
    assert_eq!(read[ACCESS_CONTROL_EXPOSE_HEADERS], "X-One, X-Two");
    assert!(!answer("https://b").contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
}
