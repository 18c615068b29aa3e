//! Dashboards as Grafana gets them.

use super::board::lines;
use super::*;
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn a_panel_without_words_or_of_all_namespaces_is_told() {
    let whole = lines(
        "Held",
        "short",
        "What is held.",
        &[("sum(penstock_x{NS})", "held")],
    );
    assert!(incomplete(&whole).is_empty());
    let bare = lines("", "", "", &[]);
    assert_eq!(
        incomplete(&bare),
        [
            "has no title",
            "has no description",
            "has no unit",
            "has no query"
        ]
    );
    let wide = lines(
        "Held",
        "short",
        "What is held.",
        &[("penstock_x{NS} / penstock_y", "")],
    );
    assert!(incomplete(&wide)[0].contains("of all namespaces"));
}

#[test]
fn panels_are_numbered_and_do_not_overlap() {
    for board in BOARDS {
        let json: Value = serde_json::from_str(&board.json()).unwrap();
        let panels = json["panels"].as_array().unwrap();
        let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
        for panel in panels {
            assert!(ids.insert(panel["id"].as_u64()), "{panel}");
            let at = &panel["gridPos"];
            let number = |key: &str| at[key].as_u64().unwrap();
            for x in number("x")..number("x") + number("w") {
                for y in number("y")..number("y") + number("h") {
                    assert!(x < 24 && places.insert((x, y)), "{panel}");
                }
            }
        }
        assert!(panels.len() > board.rows.len());
    }
}
