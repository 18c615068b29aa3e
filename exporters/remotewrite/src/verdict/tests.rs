//! Each kind of answer.

use super::*;

const SENT: Counts = Counts {
    samples: 5,
    histograms: 2,
    exemplars: 1,
};

fn answer(status: u16, headers: &[(&'static str, &str)]) -> Answer {
    let header = |(name, value): &(&'static str, &str)| {
        let name = http::HeaderName::from_static(name);
        (name, http::HeaderValue::from_str(value).unwrap())
    };
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: headers.iter().map(header).collect(),
        body: "why\n".into(),
        trailers: HeaderMap::new(),
        cut: None,
    }
}

fn one(status: u16) -> Verdict {
    judge(&answer(status, &[]), SENT, false)
}

#[test]
fn what_may_go_well_later_is_tried_again_and_not_before_the_backend_says() {
    for status in [429, 500, 502, 503, 504] {
        let answer = answer(status, &[("retry-after", "7")]);
        let after = Some(Duration::from_secs(7));
        let reason = format!("HTTP {status}: why");
        assert_eq!(
            judge(&answer, SENT, false),
            Verdict::Retry { after, reason }
        );
    }
}

#[test]
fn what_a_person_can_mend_is_tried_again_later() {
    for status in [301, 401, 403, 404, 405, 415] {
        let Verdict::Retry { after, .. } = one(status) else {
            panic!("{status}")
        };
        assert_eq!(after, Some(MENDED_AFTER));
    }
}

#[test]
fn other_refusals_are_final() {
    for status in [402, 409, 422] {
        let reason = format!("HTTP {status}: why");
        let values = None;
        assert_eq!(one(status), Verdict::Rejected { values, reason });
    }
    assert!(matches!(one(413), Verdict::TooLarge { .. }));
    assert!(matches!(one(400), Verdict::Mixed { .. }));
}

#[test]
fn protocol_2_counts_what_was_written() {
    let said = |samples, histograms| {
        [
            ("x-prometheus-remote-write-samples-written", samples),
            ("x-prometheus-remote-write-histograms-written", histograms),
        ]
    };
    let judge =
        |status, headers: &[(&'static str, &str)]| judge(&answer(status, headers), SENT, true);
    assert_eq!(judge(204, &said("5", "2")), Verdict::Written);
    let values = |verdict| match verdict {
        Verdict::Rejected { values, .. } => values,
        other => panic!("{other:?}"),
    };
    assert_eq!(values(judge(204, &said("4", "0"))), Some(3));
    assert_eq!(values(judge(400, &said("4", "2"))), Some(1));
    assert_eq!(values(judge(422, &[])), None);
}

#[test]
fn a_yes_to_protocol_2_without_counts_is_none() {
    let verdict = judge(&answer(204, &[]), SENT, true);
    assert!(matches!(verdict, Verdict::Retry { .. }), "{verdict:?}");
    assert_eq!(one(204), Verdict::Written);
}
