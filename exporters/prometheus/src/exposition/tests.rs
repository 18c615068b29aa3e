//! The page as text.

use super::*;
use tokio::time::Instant;

fn add(page: &mut Exposition, kind: Kind, labels: &[(&str, &str)], value: f64, millis: i64) {
    let family = Family {
        name: "a_total".to_owned(),
        kind,
        help: "What\nit \\ is.".to_owned(),
        unit: String::new(),
    };
    let kept = Kept {
        family: Arc::new(family),
        value,
        millis,
        added: None,
        seen: Instant::now(),
    };
    let labels = labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    page.add(labels.collect(), kept);
}

#[test]
fn a_metric_has_one_head_and_each_series_one_line() {
    let mut page = Exposition::default();
    add(
        &mut page,
        Kind::Counter,
        &[("__name__", "a_total"), ("x", "say \"hi\"\n")],
        3.0,
        7,
    );
    add(
        &mut page,
        Kind::Gauge,
        &[("__name__", "a_total")],
        f64::INFINITY,
        7,
    );
    // The same series of another Resource: the newest counts.
    add(&mut page, Kind::Counter, &[("__name__", "a_total")], 0.5, 8);
    let siblings = [("10.0.0.2:4400".to_owned(), false)];
    let help = SIBLING_UP.help;
    let expected = format!(
        "# HELP a_total What\\nit \\\\ is.\n# TYPE a_total counter\na_total 0.5\na_total{{x=\"say \\\"hi\\\"\\n\"}} 3\n\
        # HELP penstock_exporter_sibling_up {help}\n\
        # TYPE penstock_exporter_sibling_up gauge\npenstock_exporter_sibling_up{{sibling=\"10.0.0.2:4400\"}} 0\n"
    );
    assert_eq!(page.text(&siblings, false), expected);
    assert!(page.text(&[], true).contains("a_total 0.5 8\n"));
}
