//! The headers name exactly the origin they were made from.
use super::*;

fn origin(part: u32, parts: u32) -> Origin {
    Origin {
        log_id: "a1-traces".to_owned(),
        first_block: 7,
        last_block: 12,
        part,
        parts,
        share: None,
    }
}

#[test]
fn headers_carry_the_origin_there_and_back() {
    for origin in [origin(0, 1), origin(0, 3), origin(2, 3)] {
        let mut headers = HeaderMap::new();
        insert(&mut headers, &origin, 512, "otlp/tempo", 4);
        assert_eq!(Origin::from_headers(&headers), Some(origin));
        assert_eq!(headers[EXPORTER], "otlp/tempo");
        assert_eq!(headers[ATTEMPT], "4");
        assert_eq!(items(&headers), Some(512));
    }
}

#[test]
fn a_whole_batch_names_only_its_range() {
    assert_eq!(origin(0, 1).blocks(), "7-12");
    assert_eq!(origin(1, 2).blocks(), "7-12;1/2");
}

#[test]
fn what_nobody_would_write_is_not_an_origin() {
    for blocks in [
        "",
        "7",
        "7-",
        "-12",
        "12-7",
        "7-12;",
        "7-12;1",
        "7-12;2/2",
        "7-12;0/0",
        "7-12;0/1",
        "+7-12",
        "07-12",
        " 7-12",
        "7-12;1/2/3",
        "7-99999999999999999999",
    ] {
        assert_eq!(Origin::parse("log", blocks), None, "{blocks}");
    }
    assert_eq!(Origin::parse("", "7-12"), None);
}

#[test]
fn an_id_longer_than_any_of_ours_is_not_remembered() {
    let id = "l".repeat(LONGEST_LOG_ID);
    assert!(Origin::parse(&id, "7-12").is_some());
    assert_eq!(Origin::parse(&(id + "l"), "7-12"), None);
}

#[test]
fn a_value_that_no_header_can_carry_is_left_out() {
    let mut headers = HeaderMap::new();
    insert(&mut headers, &origin(0, 1), 1, "otlp/\n", 1);
    assert!(!headers.contains_key(EXPORTER));
    assert!(headers.contains_key(BLOCKS));
}

#[test]
fn headers_carry_whom_a_batch_is_for_there_and_back_whatever_the_ids() {
    for (pipeline, exporter) in [("traces/2", "otlp/tempo"), ("logs/100%", "datei/größe 1")] {
        let cursor = HandOver {
            pipeline: pipeline.to_owned(),
            exporter: exporter.to_owned(),
        };
        let mut headers = HeaderMap::new();
        cursor.insert(&mut headers);
        let value = |name| {
            let value: &HeaderValue = &headers[name];
            assert!(value.to_str().is_ok(), "{value:?}");
            value.as_bytes()
        };
        let read = HandOver::parse(value(HAND_OVER_PIPELINE), value(HAND_OVER_EXPORTER));
        assert_eq!(read, cursor);
    }
}

#[test]
fn shares_of_the_same_blocks_are_told_apart() {
    let share = |id| Some(Share { epoch: 7, id });
    let headers = |share| {
        let mut headers = HeaderMap::new();
        let origin = Origin {
            share,
            ..origin(0, 1)
        };
        insert(&mut headers, &origin, 1, "prometheus", 1);
        (origin, headers)
    };
    for share in [None, share(1), share(2), share(u64::MAX)] {
        let (origin, headers) = headers(share);
        assert_eq!(Origin::from_headers(&headers), Some(origin));
    }
    let (_, mut broken) = headers(share(1));
    broken.insert(SHARE, HeaderValue::from_static("7-1"));
    assert_eq!(
        Origin::from_headers(&broken),
        None,
        "not taken for the whole batch"
    );
}
