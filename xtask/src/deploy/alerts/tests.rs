//! Alerts that lack something.

use super::*;
use serde_json::json;

#[test]
fn an_alert_has_a_severity_words_and_a_runbook_of_its_own() {
    let named = Named::new(json!({"selectors": [], "labels": ["pod"]}));
    let rule = json!({"alert": "Full", "labels": {"severity": "warning"}, "annotations": {
        "summary": "{{ $labels.pod }} is full", "description": "As it says.", "runbook_url": "docs/runbooks.md#full"}});
    assert!(annotations(&rule, &named).is_empty());
    for (pointer, value, said) in [
        ("/labels/severity", "page", "severity is neither"),
        ("/annotations/summary", "", "has no summary"),
        (
            "/annotations/description",
            "{{ $labels.node }}",
            "the label `node`",
        ),
        (
            "/annotations/runbook_url",
            "docs/runbooks.md#other",
            "not its own section",
        ),
    ] {
        let mut broken = rule.clone();
        *broken.pointer_mut(pointer).unwrap() = json!(value);
        let told = annotations(&broken, &named);
        assert!(told.len() == 1 && told[0].contains(said), "{told:?}");
    }
}

#[test]
fn alerts_and_sections_are_the_same() {
    let alerts = BTreeSet::from(["Full", "Late"]);
    let text = "# Runbooks\n\n## Full\n**Means** a **Look** b **Do** c\n\n## Gone\n";
    assert_eq!(
        sections(&alerts, text),
        [
            "docs/runbooks.md has no section Late",
            "docs/runbooks.md: there is no alert Gone"
        ]
    );
    assert_eq!(
        sections(&BTreeSet::from(["Full"]), "\n## Full\n**Means** **Look**"),
        ["docs/runbooks.md: Full does not say **Do**"]
    );
}

#[test]
fn an_alert_is_seen_firing_and_quiet() {
    let fires = json!({"alertname": "Full", "exp_alerts": [{}]});
    let quiet = json!({"alertname": "Full", "exp_alerts": []});
    let tests = |tests: &[&Value]| json!({"tests": [{"alert_rule_test": tests}]});
    let alerts = BTreeSet::from(["Full"]);
    assert!(untested(&alerts, &tests(&[&fires, &quiet])).is_empty());
    assert!(untested(&alerts, &tests(&[&quiet]))[0].contains("no test sees Full firing"));
    assert!(untested(&alerts, &tests(&[&fires]))[0].contains("no test sees Full quiet"));
    assert!(
        untested(&BTreeSet::new(), &tests(&[&fires, &quiet]))
            .iter()
            .all(|fault| fault.contains("there is no alert Full"))
    );
}
