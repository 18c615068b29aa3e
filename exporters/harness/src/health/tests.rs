//! What is told of the backend.

use super::*;
use std::time::Duration;

fn told(health: &Health, drain: &Drain) -> (u16, serde_json::Value) {
    let page = health.page("otlp/x", drain, &Query::from("verbose"));
    (page.status, serde_json::from_slice(&page.body).unwrap())
}

#[tokio::test]
async fn the_last_error_and_whether_it_still_fails_are_told() {
    let (health, drain) = (Health::default(), Drain::new());
    let failed = Err(ExportError::Retry {
        after: None,
        reason: "no route".to_owned(),
    });
    health.begin();
    health.begin();
    health.end(&failed);
    let (status, page) = told(&health, &drain);
    let exporter = &page["exporters"][0];
    assert_eq!((status, &page["status"]), (200, &"ok".into()));
    assert_eq!(exporter["exporter"], "otlp/x");
    assert_eq!(exporter["state"], "failing");
    assert_eq!(exporter["last_error"], "no route");
    assert_eq!(exporter["in_flight"], 1);
    assert!(exporter["last_error_seconds_ago"].as_f64().unwrap() >= 0.0);
    health.end(&Ok(Exported::default()));
    let (_, page) = told(&health, &drain);
    assert_eq!(page["exporters"][0]["state"], "ok");
    assert_eq!(page["exporters"][0]["last_error"], "no route");
}

#[tokio::test]
async fn a_process_that_drains_says_so() {
    let (health, drain) = (Health::default(), Drain::new());
    drain.begin(Duration::from_secs(1));
    let (status, page) = told(&health, &drain);
    assert_eq!(
        (status, &page["status"]),
        (503, &"not ready: closing".into())
    );
    let page = health.page("otlp/x", &drain, &Query::default());
    assert_eq!(
        (page.status, &page.body[..]),
        (503, &b"not ready: closing\n"[..])
    );
}
