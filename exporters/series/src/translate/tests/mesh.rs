//! What a sidecar of the mesh pushes is found under the names that the mesh's dashboards ask for.

use super::*;
use penstock_testkit::fixture;
use prost::Message;
use std::collections::BTreeSet;

const SIDECAR: &str = "SYNTH-kumadp-out10-v214-metrics-0001.pb";

fn sidecar() -> ExportMetricsServiceRequest {
    ExportMetricsServiceRequest::decode(fixture(SIDECAR)).unwrap()
}

fn label_of<'a>(series: &'a Series, wanted: &str) -> Option<&'a str> {
    let found = series.labels.iter().find(|(name, _)| name == wanted);
    found.map(|(_, value)| value.as_str())
}

fn names(series: &[Series]) -> BTreeSet<&str> {
    let names = series.iter();
    names
        .filter_map(|series| label_of(series, "__name__"))
        .collect()
}

#[test]
fn dashboards_of_the_mesh_find_the_names_they_ask_for() {
    let series = translate(&way(), sidecar()).series();
    let names = names(&series);
    for name in [
        "envoy_server_live",
        "envoy_cluster_upstream_cx_active",
        "envoy_cluster_upstream_cx_total",
        "envoy_cluster_upstream_cx_tx_bytes_total",
        "envoy_cluster_upstream_rq_total",
        "envoy_cluster_upstream_rq_time_bucket",
        "envoy_cluster_upstream_rq_time_sum",
        "envoy_cluster_upstream_rq_time_count",
        "envoy_http_downstream_rq_time_bucket",
    ] {
        assert!(names.contains(name), "{name} is not among {names:?}");
    }
    let is_doubled = |name: &&str| {
        let twice = ["_total", "_bucket", "_sum", "_count"];
        twice.iter().any(|end| name.matches(end).count() > 1)
    };
    assert_eq!(names.into_iter().find(is_doubled), None);
}

#[test]
fn labels_of_the_mesh_are_on_every_series_of_the_proxy() {
    let series = translate(&way(), sidecar()).series();
    let proxy = series.iter().filter(|series| {
        label_of(series, "__name__").is_some_and(|name| name.starts_with("envoy_"))
    });
    let mut seen = 0;
    for series in proxy {
        for name in ["mesh", "dataplane", "kuma_io_service", "job"] {
            let value = label_of(series, name);
            assert!(value.is_some(), "{name} is missing: {:?}", series.labels);
        }
        seen += 1;
    }
    assert!(seen > 0);
}

#[test]
fn every_point_of_a_sidecar_is_expressed() {
    let translated = translate(&way(), sidecar());
    let expressed: BTreeSet<_> = translated.list.iter().map(|point| point.number).collect();
    assert_eq!(translated.refused, BTreeMap::new());
    assert_eq!(expressed.len(), translated.points);
}
