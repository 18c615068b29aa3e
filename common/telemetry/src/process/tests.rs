//! What the kernel says can be read.

use super::*;

#[test]
fn memory_that_is_taken_is_seen() {
    let before = memory().unwrap();
    let taken = vec![1_u8; 64 << 20];
    let after = memory().unwrap();
    assert!(
        after.resident >= before.resident + (32 << 20),
        "{before:?} {after:?}"
    );
    assert!(
        after.heap >= before.heap + (32 << 20),
        "{before:?} {after:?}"
    );
    assert!(after.peak >= after.resident && after.promised >= after.heap);
    assert_eq!(taken.len(), 64 << 20);
}

#[test]
fn what_the_configuration_says_of_the_process_is_said() {
    let resource = BTreeMap::from([
        ("service.name".to_owned(), Some("gateway".to_owned())),
        ("k8s.pod.name".to_owned(), Some("gateway-0".to_owned())),
        ("service.version".to_owned(), None),
    ]);
    let process = Process::new("penstock-receiver", &resource);
    let of = |key: &str| {
        let found = process.labels().iter().find(|(label, _)| label == key);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(of("service_name"), Some("gateway"));
    assert_eq!(of("k8s_pod_name"), Some("gateway-0"));
    assert_eq!(of("service_version"), None);
    assert_eq!(of("service_instance_id"), Some(host().as_str()));
}

#[test]
fn service_labels_are_quoted_as_the_text_format_has_it() {
    let name = "a \"b\"\\\n".to_owned();
    let resource = BTreeMap::from([("service.name".to_owned(), Some(name))]);
    let process = Process::new("penstock-receiver", &resource);
    let settings = OwnTelemetry {
        otelcol_names: OtelcolNames::Both,
        otelcol_service_labels: true,
        ..OwnTelemetry::default()
    };
    let spelling = process.spelling(&settings);
    assert_eq!(spelling.names, Names::Both);
    let (host, version) = (host(), env!("CARGO_PKG_VERSION"));
    assert_eq!(
        spelling.labels,
        format!(
            r#"service_instance_id="{host}",service_name="a \"b\"\\\n",service_version="{version}""#
        )
    );
    assert_eq!(
        process.spelling(&OwnTelemetry::default()),
        Spelling::default()
    );
}
