//! What an expression may name.

use super::*;

fn rows() -> BTreeMap<String, Row> {
    let row = |name: &str, kind: &str| {
        let labels = ["signal".to_owned()].into();
        let kind = kind.to_owned();
        (name.to_owned(), Row { kind, labels })
    };
    [
        row("items_total", "counter"),
        row("held", "gauge"),
        row("seconds", "histogram"),
    ]
    .into()
}

fn told(metric: &str, labels: &[&str], function: Option<&str>, grouped: &[&str]) -> Vec<String> {
    let selector = json!({"metric": metric, "labels": labels, "function": function});
    let named = Named::new(json!({"selectors": [selector], "labels": grouped}));
    unknown(&named, &rows())
}

#[test]
fn metrics_and_labels_that_exist_may_be_named() {
    let nothing = Vec::<String>::new();
    assert_eq!(
        told("items_total", &["signal"], Some("rate"), &["pod", "signal"]),
        nothing
    );
    assert_eq!(told("held", &["namespace"], None, &["signal"]), nothing);
    assert_eq!(told("held", &[], Some("predict_linear"), &[]), nothing);
    assert_eq!(
        told("seconds_bucket", &["le"], Some("rate"), &["le"]),
        nothing
    );
    assert_eq!(told("seconds_sum", &[], Some("increase"), &[]), nothing);
}

#[test]
fn what_does_not_exist_is_told() {
    for (told, said) in [
        (
            told("item_total", &[], Some("rate"), &[]),
            "there is no metric `item_total`",
        ),
        (
            told("held", &["reason"], None, &[]),
            "held has no label `reason`",
        ),
        (
            told("held", &[], None, &["reason"]),
            "none of its metrics has the label `reason`",
        ),
        (
            told("items_total", &[], None, &[]),
            "items_total needs rate() or increase()",
        ),
        (
            told("held", &[], Some("rate"), &[]),
            "held is no counter, for rate() or increase()",
        ),
        (
            told("seconds", &[], Some("rate"), &[]),
            "there is no metric `seconds`",
        ),
        (
            told("seconds_sum", &["le"], Some("rate"), &[]),
            "seconds_sum has no label `le`",
        ),
    ] {
        assert_eq!(told, [said]);
    }
    let unread = Named::new(json!({"selectors": [], "labels": [], "fault": "no"}));
    assert_eq!(unknown(&unread, &rows()), ["no"]);
}
