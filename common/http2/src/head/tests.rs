//! Which header lists make a head, and that cached ones are the same.

use super::*;

const CALL: [(&str, &str); 4] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/svc/Export"),
    ("te", "trailers"),
];

fn head(fields: &[(&str, &str)]) -> Result<Head, Unfit> {
    let mut builder = HeadBuilder::new(1000);
    for (name, value) in fields {
        builder.push(name.as_bytes(), value.as_bytes());
    }
    builder.finish()
}

fn with(extra: &[(&str, &str)]) -> Result<Head, Unfit> {
    head(&[&CALL, extra].concat())
}

#[test]
fn everything_of_a_call_can_be_read() {
    let head = head(&[
        (":authority", "meshaccesslog:opentelemetry:0"),
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/svc/Export"),
        ("x-a", "1"),
        ("content-length", "12"),
        ("x-a", ""),
    ])
    .unwrap();
    assert_eq!(head.method(), b"POST");
    assert_eq!(head.path(), b"/svc/Export");
    assert_eq!(head.scheme(), Some(&b"http"[..]));
    assert_eq!(
        head.authority(),
        Some(&b"meshaccesslog:opentelemetry:0"[..])
    );
    assert_eq!(head.content_length(), Some(12));
    assert_eq!(head.get("x-a"), Some(&b"1"[..]));
    assert_eq!(head.get_all("x-a").collect::<Vec<_>>(), [&b"1"[..], b""]);
    assert_eq!(head.get("x-b"), None);
    assert_eq!(head.iter().count(), 3);
}

#[test]
fn any_authority_will_do_and_none_too() {
    for authority in ["", "::::", "a b", "user@[::1]:99999:0", "\u{fffd}"] {
        let head = head(&[&[(":authority", authority)], &CALL[..]].concat()).unwrap();
        assert_eq!(head.authority(), Some(authority.as_bytes()));
    }
    assert_eq!(head(&CALL).unwrap().authority(), None);
}

#[test]
fn pseudo_headers_are_complete_known_first_and_single() {
    for missing in 0..3 {
        let mut fields = CALL.to_vec();
        fields.remove(missing);
        assert_eq!(head(&fields).unwrap_err(), Unfit::Malformed);
    }
    assert_eq!(
        with(&[(":authority", "late")]).unwrap_err(),
        Unfit::Malformed
    );
    let twice = [&[(":path", "/a")], &CALL[..]].concat();
    assert_eq!(head(&twice).unwrap_err(), Unfit::Malformed);
    let unknown = [&[(":status", "200")], &CALL[..]].concat();
    assert_eq!(head(&unknown).unwrap_err(), Unfit::Malformed);
    let empty = [(":method", "POST"), (":scheme", "http"), (":path", "")];
    assert_eq!(head(&empty).unwrap_err(), Unfit::Malformed);
    assert!(head(&[(":method", "CONNECT"), (":authority", "a:1")]).is_ok());
}

#[test]
fn names_and_values_that_could_smuggle_are_malformed() {
    let bad = [
        ("X-Upper", "1"),
        ("a b", "1"),
        ("a:b", "1"),
        ("", "1"),
        ("\u{e9}", "1"),
        ("a", "1\r\nb: 2"),
        ("a", "\0"),
        ("a", " 1"),
        ("a", "1\t"),
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
        ("content-length", "-1"),
        ("content-length", "1x"),
        ("content-length", ""),
        ("content-length", "99999999999999999999999"),
    ];
    for field in bad {
        assert_eq!(with(&[field]).unwrap_err(), Unfit::Malformed, "{field:?}");
    }
    let contradictory = [("content-length", "1"), ("content-length", "2")];
    assert_eq!(with(&contradictory).unwrap_err(), Unfit::Malformed);
}

#[test]
fn list_above_the_limit_is_not_kept() {
    let long = "x".repeat(900);
    assert_eq!(with(&[("a", &long)]).unwrap_err(), Unfit::TooLarge);
    // Malformed goes before too large: such a request must not get a friendly answer.
    assert_eq!(
        with(&[("a", &long), ("b", "\n")]).unwrap_err(),
        Unfit::Malformed
    );
}

#[test]
fn debug_shows_no_values() {
    let head = with(&[("authorization", "secret")]).unwrap();
    assert!(!format!("{head:?}").contains("secret"));
}

#[test]
fn cache_gives_the_very_same_head_until_the_table_changes() {
    let head = head(&CALL).unwrap();
    let mut cache = HeadCache::default();
    cache.put(b"block", 3, &head);
    assert!(cache.get(b"block", 3).unwrap().same(&head));
    assert!(cache.get(b"other", 3).is_none());
    assert!(cache.get(b"block", 4).is_none());
    cache.put(b"newer", 4, &head);
    assert!(
        cache.get(b"block", 4).is_none(),
        "entries of an older table are gone"
    );
    assert!(cache.get(b"newer", 4).is_some());
}

#[test]
fn cache_keeps_the_last_blocks_only() {
    let head = head(&CALL).unwrap();
    let mut cache = HeadCache::default();
    for block in [b"a", b"b", b"c", b"d", b"e"] {
        cache.put(block, 0, &head);
    }
    assert!(cache.get(b"a", 0).is_none());
    assert!(cache.get(b"b", 0).is_some() && cache.get(b"e", 0).is_some());
    cache.put(&[0; 600], 0, &head);
    assert!(
        cache.get(&[0; 600], 0).is_none(),
        "long blocks are not worth keeping"
    );
}
