//! A values file and its schema that differ.

use super::*;
use serde_json::json;

#[test]
fn a_value_is_described_and_in_the_schema() {
    let schema = json!({"properties": {"drain": {"properties": {"seconds": {}}}}});
    assert!(compare("drain:\n  # How long.\n  seconds: 5\n", &schema).is_empty());
    assert_eq!(
        compare("drain:\n  seconds: 5\n", &schema),
        ["values.yaml: drain.seconds has no comment"]
    );
    assert_eq!(
        compare("drain:\n  # How long.\n  seconds: 5\n  more: 6\n", &schema),
        ["values.yaml: drain.more is not in values.schema.json"]
    );
    assert_eq!(
        compare("drain:\n  # None.\n", &schema),
        ["values.schema.json: drain.seconds is not in values.yaml"]
    );
}
