//! Names of metrics and labels.

use super::super::names::{Naming, Shape, label};

#[test]
fn names_are_those_of_the_compatibility_specification() {
    let naming = |suffixes| Naming {
        namespace: String::new(),
        suffixes,
        utf8: false,
    };
    for (name, unit, shape, expected) in [
        (
            "http.server.duration",
            "ms",
            Shape::Other,
            "http_server_duration_milliseconds",
        ),
        (
            "http.server.duration_milliseconds",
            "ms",
            Shape::Other,
            "http_server_duration_milliseconds",
        ),
        ("requests", "{request}", Shape::Counter, "requests_total"),
        (
            "envoy_cluster_upstream_cx_total",
            "",
            Shape::Counter,
            "envoy_cluster_upstream_cx_total",
        ),
        (
            "cpu.utilization",
            "1",
            Shape::Gauge,
            "cpu_utilization_ratio",
        ),
        ("speed", "m/s", Shape::Gauge, "speed_meters_per_second"),
        ("disk.io", "By", Shape::Counter, "disk_io_bytes_total"),
        ("2xx", "", Shape::Counter, "_2xx_total"),
        ("total.time", "s", Shape::Counter, "time_seconds_total"),
        ("köln", "", Shape::Gauge, "k_ln"),
    ] {
        assert_eq!(naming(true).metric(name, unit, shape), expected);
    }
    for (name, expected) in [
        ("disk.io", "disk_io"),
        ("_go_heap__bytes", "_go_heap__bytes"),
        ("2xx", "_2xx"),
        ("a..b", "a_b"),
    ] {
        assert_eq!(naming(false).metric(name, "By", Shape::Counter), expected);
    }
    let mesh = Naming {
        namespace: "mesh".to_owned(),
        suffixes: true,
        utf8: false,
    };
    assert_eq!(mesh.metric("a.b", "", Shape::Gauge), "mesh_a_b");
}

#[test]
fn names_keep_their_characters_where_they_may() {
    let naming = |suffixes| Naming {
        namespace: String::new(),
        suffixes,
        utf8: true,
    };
    for (name, unit, shape, expected) in [
        ("disk.io", "By", Shape::Counter, "disk.io_bytes_total"),
        ("köln.total", "", Shape::Counter, "köln_total"),
        ("http.duration", "s", Shape::Other, "http.duration_seconds"),
        ("speed", "m/s", Shape::Gauge, "speed_meters_per_second"),
        ("cpu", "1", Shape::Gauge, "cpu_ratio"),
        ("total", "", Shape::Counter, "total_total"),
    ] {
        assert_eq!(naming(true).metric(name, unit, shape), expected);
        assert_eq!(naming(false).metric(name, unit, shape), name);
    }
    assert_eq!(label("kuma.io/service".to_owned(), true), "kuma.io/service");
}

#[test]
fn labels_are_those_of_the_compatibility_specification() {
    for (name, expected) in [
        ("kuma.io/service", "kuma_io_service"),
        ("_private", "_private"),
        ("", "_"),
        ("__reserved", "__reserved"),
        ("0day", "key_0day"),
    ] {
        assert_eq!(label(name.to_owned(), false), expected);
    }
}
