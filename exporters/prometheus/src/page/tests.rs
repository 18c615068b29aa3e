//! Pages in every format, and what is not on them.

use super::protobuf::MetricFamily;
use super::*;
use penstock_exporter_series::{BucketSpan, Buckets, Exemplar, Histogram, Labels, Quantiles};
use penstock_otlp::compress::Encoding;
use prost::Message;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn point(name: &str, kind: Kind, pairs: &[(&str, &str)], value: Value) -> Point {
    Point {
        family: Arc::new(Family {
            name: name.to_owned(),
            kind,
            help: "What\nit \\ \"is\".".to_owned(),
            unit: String::new(),
        }),
        labels: labels(pairs),
        value,
        ends: false,
        delta: false,
        millis: 7_000,
        created: 1_500,
        exemplars: Vec::new(),
        number: 0,
        more: 0,
    }
}

fn number(name: &str, kind: Kind, pairs: &[(&str, &str)], value: f64) -> Point {
    point(name, kind, pairs, Value::Number(value))
}

fn held(points: Vec<Point>) -> Arc<Held> {
    let mut held = Held::default();
    points.into_iter().for_each(|point| held.put(point));
    Arc::new(held)
}

fn way(format: Format) -> Way {
    Way {
        format,
        escaping: Escaping::Underscores,
        timestamps: false,
    }
}

fn text(all: &[Arc<Held>], way: Way) -> String {
    String::from_utf8(page(all, &[], way).0.to_vec()).unwrap()
}

/// One of each type.
fn all_types() -> Arc<Held> {
    let exemplar = |value: f64| Exemplar {
        labels: labels(&[("trace_id", "0a")]),
        value,
        millis: 6_250,
    };
    let buckets = Buckets {
        bounds: vec![0.5, 1e6],
        counts: vec![1, 3],
        count: 6,
        sum: Some(12.5),
    };
    let native = Histogram {
        count: Some(4),
        sum: 3.0,
        schema: 2,
        zero_threshold: 1e-128,
        zero_count: Some(1),
        positive_spans: vec![BucketSpan {
            offset: 1,
            length: 2,
        }],
        positive_deltas: vec![1, 1],
        ..Histogram::default()
    };
    let quantiles = Quantiles {
        values: vec![(0.5, 1.0), (0.99, f64::NAN)],
        count: 3,
        sum: 6.0,
    };
    held(vec![
        Point {
            exemplars: vec![exemplar(1.0)],
            ..number("a_total", Kind::Counter, &[("x", "say \"hi\"\n\\")], 3.0)
        },
        number("b", Kind::Gauge, &[], f64::NEG_INFINITY),
        Point {
            exemplars: vec![exemplar(0.75)],
            ..point(
                "c",
                Kind::Histogram,
                &[("x", "1")],
                Value::Buckets(Box::new(buckets)),
            )
        },
        point("d", Kind::Histogram, &[], Value::Native(Box::new(native))),
        point(
            "e",
            Kind::Summary,
            &[],
            Value::Quantiles(Box::new(quantiles)),
        ),
        number("target_info", Kind::Info, &[("job", "j")], 1.0),
    ])
}

#[test]
fn text_has_every_type_as_the_collector_writes_it() {
    let help = "What\\nit \\\\ \"is\".";
    let expected = format!(
        "# HELP a_total {help}\n# TYPE a_total counter\na_total{{x=\"say \\\"hi\\\"\\n\\\\\"}} 3\n\
        # HELP b {help}\n# TYPE b gauge\nb -Inf\n\
        # HELP c {help}\n# TYPE c histogram\nc_bucket{{x=\"1\",le=\"0.5\"}} 1\nc_bucket{{x=\"1\",le=\"1e+06\"}} 3\n\
        c_bucket{{x=\"1\",le=\"+Inf\"}} 6\nc_sum{{x=\"1\"}} 12.5\nc_count{{x=\"1\"}} 6\n\
        # HELP d {help}\n# TYPE d histogram\nd_bucket{{le=\"+Inf\"}} 4\nd_sum 3\nd_count 4\n\
        # HELP e {help}\n# TYPE e summary\ne{{quantile=\"0.5\"}} 1\ne{{quantile=\"0.99\"}} NaN\ne_sum 6\ne_count 3\n\
        # HELP target_info {help}\n# TYPE target_info gauge\ntarget_info{{job=\"j\"}} 1\n"
    );
    assert_eq!(text(&[all_types()], way(Format::Text)), expected);
    let timed = Way {
        timestamps: true,
        ..way(Format::Text)
    };
    assert!(text(&[all_types()], timed).contains("\nb -Inf 7000\n"));
}

#[test]
fn open_metrics_has_exemplars_and_an_end() {
    let help = "What\\nit \\\\ \\\"is\\\".";
    let expected = format!(
        "# HELP a {help}\n# TYPE a counter\na_total{{x=\"say \\\"hi\\\"\\n\\\\\"}} 3.0 # {{trace_id=\"0a\"}} 1.0 6.250\n\
        # HELP b {help}\n# TYPE b gauge\nb -Inf\n\
        # HELP c {help}\n# TYPE c histogram\nc_bucket{{x=\"1\",le=\"0.5\"}} 1\n\
        c_bucket{{x=\"1\",le=\"1e+06\"}} 3 # {{trace_id=\"0a\"}} 0.75 6.250\n\
        c_bucket{{x=\"1\",le=\"+Inf\"}} 6\nc_sum{{x=\"1\"}} 12.5\nc_count{{x=\"1\"}} 6\n"
    );
    let written = text(&[all_types()], way(Format::OpenMetrics));
    assert!(written.starts_with(&expected), "{written}");
    assert!(written.ends_with("\n# EOF\n"), "{written}");
    let timed = Way {
        timestamps: true,
        ..way(Format::OpenMetrics)
    };
    assert!(text(&[all_types()], timed).contains("\nb -Inf 7.000\n"));
}

#[test]
fn a_counter_without_its_suffix_is_none_in_open_metrics() {
    let all = [held(vec![number("a", Kind::Counter, &[], 1.0)])];
    let written = text(&all, way(Format::OpenMetrics));
    assert!(written.contains("# TYPE a unknown\na 1.0\n"), "{written}");
}

#[test]
fn protobuf_has_native_histograms_and_when_counts_began() {
    let mut body = page(&[all_types()], &[], way(Format::Protobuf)).0;
    let mut families = BTreeMap::new();
    while !body.is_empty() {
        let family = MetricFamily::decode_length_delimited(&mut body).unwrap();
        families.insert(family.name.clone().unwrap(), family);
    }
    let metric = |name: &str| families[name].metric[0].clone();
    let counter = metric("a_total").counter.unwrap();
    assert_eq!(counter.value, Some(3.0));
    let created = counter.created.unwrap();
    assert_eq!((created.seconds, created.nanos), (1, 500_000_000));
    assert_eq!(counter.exemplar.unwrap().value, Some(1.0));
    assert_eq!(metric("b").gauge.unwrap().value, Some(f64::NEG_INFINITY));
    let classic = metric("c").histogram.unwrap();
    let buckets: Vec<_> = classic
        .bucket
        .iter()
        .map(|bucket| (bucket.bound, bucket.count))
        .collect();
    assert_eq!(
        buckets,
        [
            (Some(0.5), Some(1)),
            (Some(1e6), Some(3)),
            (Some(f64::INFINITY), Some(6))
        ]
    );
    let native = metric("d").histogram.unwrap();
    assert_eq!((native.schema, native.zero_count), (Some(2), Some(1)));
    assert_eq!(
        (native.positive_delta, native.bucket.len()),
        (vec![1, 1], 0)
    );
    let summary = metric("e").summary.unwrap();
    assert_eq!((summary.count, summary.quantile.len()), (Some(3), 2));
    assert_eq!(families["target_info"].kind, Some(1));
}

#[test]
fn of_one_series_of_two_resources_the_one_that_began_last_is_shown() {
    let of = |created: i64, value: f64| Point {
        created,
        ..number("a_total", Kind::Counter, &[("x", "1"), ("y", "2")], value)
    };
    let all = [
        held(vec![of(1, 100.0)]),
        held(vec![of(3, 5.0)]),
        held(vec![of(2, 50.0)]),
    ];
    let (body, hidden) = page(&all, &[], way(Format::Text));
    let written = String::from_utf8(body.to_vec()).unwrap();
    assert!(
        written.contains("a_total{x=\"1\",y=\"2\"} 5\n"),
        "{written}"
    );
    assert_eq!(
        hidden,
        Hidden::from([(("a_total".to_owned(), "same labels"), 2)])
    );
    let ours = "penstock_exporter_hidden_series{metric=\"a_total\",reason=\"same labels\"} 2\n";
    assert!(written.contains(ours), "{written}");
}

#[test]
fn a_metric_has_the_type_that_most_of_its_series_have() {
    let all = [
        held(vec![number("a", Kind::Gauge, &[("x", "1")], 1.0)]),
        held(vec![
            number("a", Kind::Counter, &[("x", "1")], 2.0),
            number("a", Kind::Counter, &[("x", "2")], 3.0),
        ]),
    ];
    let (body, hidden) = page(&all, &[], way(Format::Text));
    let written = String::from_utf8(body.to_vec()).unwrap();
    assert!(written.contains("# TYPE a counter\n"), "{written}");
    assert!(!written.contains("# TYPE a gauge\n"), "{written}");
    assert!(written.contains("a{x=\"1\"} 2\n"), "{written}");
    assert_eq!(hidden, Hidden::from([(("a".to_owned(), "type"), 1)]));
}

#[test]
fn two_metrics_whose_series_are_called_alike_do_not_meet() {
    let histogram = Value::Buckets(Box::default());
    let all = [held(vec![
        point("a", Kind::Histogram, &[("x", "1")], histogram.clone()),
        point("a", Kind::Histogram, &[("x", "2")], histogram),
        number("a_count", Kind::Gauge, &[("x", "1")], 7.0),
    ])];
    let (body, hidden) = page(&all, &[], way(Format::Text));
    let written = String::from_utf8(body.to_vec()).unwrap();
    assert_eq!(written.matches("a_count{x=\"1\"}").count(), 1, "{written}");
    assert_eq!(hidden, Hidden::from([(("a_count".to_owned(), "name"), 1)]));
    // There a counter is called without its suffix where its type is said.
    let all = [held(vec![
        number("b", Kind::Gauge, &[], 1.0),
        number("b_total", Kind::Counter, &[], 1.0),
    ])];
    assert_eq!(page(&all, &[], way(Format::Text)).1.len(), 0);
    assert_eq!(page(&all, &[], way(Format::OpenMetrics)).1.len(), 1);
}

#[test]
fn few_metrics_are_named_when_much_is_hidden() {
    let of = |number_: i32| number(&format!("a{number_}"), Kind::Gauge, &[], 1.0);
    let both = [
        held((0..100).map(of).collect()),
        held((0..100).map(of).collect()),
    ];
    let (_, hidden) = page(&both, &[], way(Format::Text));
    assert_eq!(hidden.len(), NAMED + 1);
    assert_eq!(hidden.values().sum::<usize>(), 100);
}

#[test]
fn replicas_that_have_not_told_are_named() {
    let siblings = [("10.0.0.2:4400".to_owned(), false)];
    let (body, _) = page(&[], &siblings, way(Format::Text));
    let help = SIBLING_UP.help;
    let expected = format!(
        "# HELP penstock_exporter_sibling_up {help}\n# TYPE penstock_exporter_sibling_up gauge\n\
        penstock_exporter_sibling_up{{sibling=\"10.0.0.2:4400\"}} 0\n"
    );
    assert_eq!(body, expected.as_bytes());
}

#[test]
fn names_of_any_characters_are_quoted_or_escaped_as_is_asked_for() {
    let all = [held(vec![number(
        "http.ok_s",
        Kind::Gauge,
        &[("kuma.io/mesh", "a"), ("x", "b")],
        1.0,
    )])];
    let with = |escaping| {
        let way = Way {
            escaping,
            ..way(Format::Text)
        };
        let written = text(&all, way);
        written.lines().last().unwrap().to_owned()
    };
    assert_eq!(
        with(Escaping::AllowUtf8),
        "{\"http.ok_s\",\"kuma.io/mesh\"=\"a\",x=\"b\"} 1"
    );
    assert_eq!(
        with(Escaping::Underscores),
        "http_ok_s{kuma_io_mesh=\"a\",x=\"b\"} 1"
    );
    assert_eq!(
        with(Escaping::Dots),
        "http_dot_ok__s{kuma_dot_io__mesh=\"a\",x=\"b\"} 1"
    );
    assert_eq!(
        with(Escaping::Values),
        "U__http_2e_ok__s{U__kuma_2e_io_2f_mesh=\"a\",x=\"b\"} 1"
    );
}

#[test]
fn labels_that_escaping_makes_one_hide_their_series_and_no_other() {
    let all = [held(vec![
        number("a", Kind::Gauge, &[("b.c", "1"), ("b_c", "2")], 1.0),
        number("a", Kind::Gauge, &[("b.c", "3")], 1.0),
        number("a", Kind::Gauge, &[("b_c", "3")], 1.0),
    ])];
    let (body, hidden) = page(&all, &[], way(Format::Text));
    let written = String::from_utf8(body.to_vec()).unwrap();
    assert_eq!(
        written.matches("\na{b_c=\"3\"} 1\n").count(),
        1,
        "{written}"
    );
    assert_eq!(hidden.values().sum::<usize>(), 2);
    let utf8 = Way {
        escaping: Escaping::AllowUtf8,
        ..way(Format::Text)
    };
    assert!(page(&all, &[], utf8).1.is_empty());
}

#[test]
fn whoever_scrapes_gets_the_format_that_it_likes_best() {
    let prometheus_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let native =
        format!("application/vnd.google.protobuf;proto={FAMILY};encoding=delimited,{prometheus_2}");
    let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
    for (accept, open_metrics, expected) in [
        ("", false, "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", true, "text/plain; version=0.0.4; charset=utf-8"),
        (
            "image/png",
            true,
            "text/plain; version=0.0.4; charset=utf-8",
        ),
        (
            "application/vnd.google.protobuf",
            true,
            "text/plain; version=0.0.4; charset=utf-8",
        ),
        (
            prometheus_2,
            false,
            "text/plain; version=0.0.4; charset=utf-8",
        ),
        (
            prometheus_2,
            true,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
        (
            &native,
            true,
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
        ),
        (
            prometheus_3,
            false,
            "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
        ),
        (
            prometheus_3,
            true,
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
        ),
        (
            "text/plain;version=0.0.4;q=0, application/openmetrics-text;q=0.1",
            true,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
    ] {
        assert_eq!(
            Answer::to(accept, open_metrics).content_type,
            expected,
            "{accept}"
        );
    }
}

#[test]
fn pages_are_compressed_as_whoever_scrapes_likes() {
    for (accept, expected) in [
        ("", Encoding::Identity),
        ("gzip", Encoding::Gzip),
        ("gzip, deflate, br, zstd", Encoding::Zstd),
        ("gzip;q=0.9, zstd;q=0.5", Encoding::Gzip),
        ("gzip;q=0.5, identity", Encoding::Identity),
        ("gzip;q=0", Encoding::Identity),
        ("br", Encoding::Identity),
    ] {
        assert_eq!(encoding(accept), expected, "{accept}");
    }
}

const FAMILY: &str = "io.prometheus.client.MetricFamily";
