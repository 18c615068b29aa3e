//! What must hold for any bytes: one function a law, each panics when its law is broken.
//!
//! The fuzz targets call these with what the fuzzer invents, the tests of `common/otlp` with what proptest does. `prost`
//! is the judge: it decodes the generated OTLP types independently of the table that drives the code under test.
//!
//! The first byte of each input picks the signal; other small choices follow where a law needs some.

pub mod make;
pub mod request;

use bytes::Bytes;
use penstock_otlp::Signal;
use penstock_otlp::annotate::Attribute;
use penstock_otlp::schema;
use penstock_otlp::split::{Limits, Piece};
use request::{Request, Tree};

/// Walking: accepted means decodable, counts agree, and only text is ever repaired.
pub fn check(data: &[u8]) {
    let (signal, body) = pick(data);
    let body = Bytes::copy_from_slice(body);
    let checked = penstock_otlp::check::check(signal, body.clone());
    match (checked, Request::decode(signal, &body)) {
        (Ok(checked), Ok(request)) => {
            assert_eq!(checked.repaired, 0);
            assert_eq!(
                checked.body.as_ptr(),
                body.as_ptr(),
                "valid bytes were copied"
            );
            assert_eq!(checked.body, body);
            assert_eq!(checked.items, request.tree().items());
            assert_eq!(penstock_otlp::check::count(signal, &body), checked.items);
        }
        (Ok(checked), Err(refused)) => {
            assert!(
                checked.repaired > 0,
                "accepted what prost refuses: {refused}"
            );
            let request = Request::decode(signal, &checked.body).expect("repaired means valid");
            assert_eq!(checked.items, request.tree().items());
        }
        (Err(error), Ok(_)) => panic!("refused what prost accepts: {error}"),
        (Err(error), Err(_)) => assert!(error.offset <= body.len()),
    }
}

/// Splitting: pieces keep the limits and decode to the whole.
pub fn split(data: &[u8]) {
    let (signal, data) = pick(data);
    let [items, bytes_high, bytes_low, body @ ..] = data else {
        return;
    };
    let Some(body) = valid(signal, body) else {
        return;
    };
    let limits = Limits {
        items: if *items == 0 {
            usize::MAX
        } else {
            usize::from(*items)
        },
        bytes: match u16::from_be_bytes([*bytes_high, *bytes_low]) {
            0 => usize::MAX,
            bytes => usize::from(bytes),
        },
    };
    split_keeps_the_law(signal, &body, limits);
}

/// The law of splitting for one valid request. Gives the pieces for further questions.
pub fn split_keeps_the_law(signal: Signal, body: &Bytes, limits: Limits) -> Vec<Piece> {
    let whole = decode(signal, body).tree();
    let pieces = penstock_otlp::split::split(signal, body, limits);
    let mut decoded = Tree::default();
    for piece in &pieces {
        let tree = decode(signal, &piece.body).tree();
        assert_eq!(piece.items, tree.items());
        assert!(piece.items <= limits.items);
        let has_large_head = || request::largest_head(schema::request(signal), &piece.body) > 4096;
        assert!(piece.body.len() <= limits.bytes || tree.is_narrow() || has_large_head());
        decoded.children.extend(tree.children);
    }
    let items = whole.items();
    assert_eq!(
        decoded.merged(),
        whole.merged(),
        "pieces do not decode to the whole"
    );
    if items <= limits.items && body.len() <= limits.bytes && !body.is_empty() {
        assert_eq!(pieces.len(), 1);
        assert_eq!(
            pieces[0].body.as_ptr(),
            body.as_ptr(),
            "an unsplit request was copied"
        );
    }
    pieces
}

/// Annotating: exactly the attributes of the rule change, as if done on decoded objects.
pub fn annotate(data: &[u8]) {
    let (signal, data) = pick(data);
    let [choices, body @ ..] = data else { return };
    let Some(body) = valid(signal, body) else {
        return;
    };
    let attribute = |key, value, replace| Attribute {
        key,
        value,
        replace,
    };
    let mut wanted = Vec::new();
    if choices & 1 != 0 {
        wanted.push(attribute("service.name", "orders", choices & 2 != 0));
    }
    if choices & 4 != 0 {
        wanted.push(attribute("k8s.pod.ip", "10.0.0.1", choices & 8 != 0));
    }

    let mut expected = decode(signal, &body);
    let resources = expected.resources();
    let mut resources = resources.into_iter();
    let annotated = penstock_otlp::annotate::annotate(signal, &body, &mut |view, added| {
        assert!(added.is_empty());
        let resource = resources.next().expect("one call a Resource");
        for key in ["service.name", "k8s.pod.ip", "missing"] {
            let found = resource
                .iter()
                .flat_map(|r| &r.attributes)
                .find(|a| a.key == key);
            assert_eq!(view.has(key), found.is_some());
            assert_eq!(view.str(key), found.and_then(request::string_of));
        }
        request::annotate(resource, &wanted);
        added.extend_from_slice(&wanted);
    });
    assert!(resources.next().is_none(), "a Resource was not asked about");
    drop(resources);
    let length = annotated.len();
    let annotated = annotated.into_bytes();
    assert_eq!(annotated.len(), length);
    assert_eq!(decode(signal, &annotated).tree(), expected.tree());
    if wanted.is_empty() {
        assert_eq!(
            annotated.as_ptr(),
            body.as_ptr(),
            "an unchanged request was copied"
        );
    }
}

/// JSON: any bytes are read without a panic, and what is read is a valid request that can be written as JSON again.
pub fn json(data: &[u8]) {
    let (signal, json) = pick(data);
    let Ok(body) = penstock_otlp::json::to_proto(signal, json) else {
        return;
    };
    let checked = penstock_otlp::check::check(signal, body.clone()).expect("output is valid");
    assert_eq!(checked.repaired, 0);
    decode(signal, &body);
    let mut again = Vec::new();
    penstock_otlp::json::from_proto(signal, &body, &mut again);
    let body = penstock_otlp::json::to_proto(signal, &again).expect("own output is readable");
    let mut twice = Vec::new();
    penstock_otlp::json::from_proto(signal, &body, &mut twice);
    assert_eq!(again, twice, "JSON does not come back as it went");
}

/// Decompressing: any bytes are read without a panic and the limit holds.
pub fn decompress(data: &[u8]) {
    use penstock_otlp::compress::{Encoding, compress, decompress};
    const LIMIT: usize = 1 << 16;
    let [choice, body @ ..] = data else { return };
    let encoding = [
        Encoding::Identity,
        Encoding::Gzip,
        Encoding::Zstd,
        Encoding::Deflate,
    ][usize::from(choice % 4)];
    let body = Bytes::copy_from_slice(body);
    if let Ok(plain) = decompress(encoding, &body, LIMIT) {
        assert!(plain.len() <= LIMIT);
        let packed = compress(encoding, std::slice::from_ref(&plain));
        assert_eq!(
            decompress(encoding, &packed, LIMIT).expect("own output is readable"),
            plain
        );
    }
}

fn pick(data: &[u8]) -> (Signal, &[u8]) {
    match data {
        [] => (Signal::Traces, data),
        [first, rest @ ..] => (Signal::ALL[usize::from(first % 3)], rest),
    }
}

/// A valid request from `body`: as it is, or else read as choices from which to make one.
fn valid(signal: Signal, body: &[u8]) -> Option<Bytes> {
    let given = penstock_otlp::check::check(signal, Bytes::copy_from_slice(body));
    let checked = given.or_else(|_| {
        let made = make::request(signal, body);
        penstock_otlp::check::check(signal, made.into())
    });
    checked.ok().map(|checked| checked.body)
}

fn decode(signal: Signal, body: &[u8]) -> Request {
    Request::decode(signal, body).expect("prost decodes what is valid")
}
