//! The Collector's ways to name configuration.

use super::*;

fn text(source: &Source) -> (String, String) {
    let variables = [("CONFIG".to_owned(), "a: 1".to_owned())].into();
    source.text(&variables).unwrap()
}

#[test]
fn the_collectors_schemes_are_understood() {
    assert_eq!(
        Source::from_uri("a/b.yaml"),
        Ok(Source::File("a/b.yaml".into()))
    );
    assert_eq!(
        Source::from_uri("file:/a/b.yaml"),
        Ok(Source::File("/a/b.yaml".into()))
    );
    assert_eq!(
        Source::from_uri("c:b.yaml"),
        Ok(Source::File("c:b.yaml".into()))
    );
    let variable = Source::from_uri("env:CONFIG").unwrap();
    assert_eq!(
        text(&variable),
        ("env:CONFIG".to_owned(), "a: 1".to_owned())
    );
    let yaml = Source::from_uri("yaml:exporters::otlp::headers::x: secret").unwrap();
    assert_eq!(
        text(&yaml),
        (
            "yaml:exporters::otlp::headers::x".to_owned(),
            "exporters::otlp::headers::x: secret".to_owned()
        )
    );
    for (uri, part) in [
        ("https://host/config.yaml", "`https:` is not available"),
        ("env:A B", "not the name of an environment variable"),
        ("file:", "is empty"),
        ("", "is empty"),
    ] {
        let fault = Source::from_uri(uri).unwrap_err();
        assert!(fault.contains(part), "{uri}: {fault}");
    }
}

#[test]
fn a_set_is_configuration_whose_name_does_not_show_its_value() {
    let set = Source::from_set(" exporters.otlp.endpoint = a=b ").unwrap();
    assert_eq!(
        text(&set),
        (
            "--set exporters.otlp.endpoint".to_owned(),
            "exporters::otlp::endpoint: a=b".to_owned()
        )
    );
    assert!(Source::from_set("a.b").unwrap_err().contains("no `=`"));
    assert!(Source::from_set("=b").unwrap_err().contains("no key"));
}

#[test]
fn a_variable_that_is_not_set_is_told() {
    let fault = Source::Variable("NONE".to_owned())
        .text(&BTreeMap::new())
        .unwrap_err();
    assert!(
        fault
            .to_string()
            .starts_with("env:NONE:1:1: environment variable NONE is not set"),
        "{fault}"
    );
}
