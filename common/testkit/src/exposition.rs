//! Prometheus' text format as a reader sees it.

use std::collections::BTreeSet;

/// All series of one name.
#[derive(Clone, Debug, Default)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// Of the `# TYPE` line.
    pub kind: String,
    /// Of the `# HELP` line.
    pub help: String,
    /// Each series: its labels without a histogram's `le`, as in `exporter="a"`, and its value.
    pub series: Vec<(BTreeSet<String>, f64)>,
}

impl Family {
    /// The names of the labels that all series have.
    ///
    /// # Panics
    /// When they do not have the same.
    #[must_use]
    pub fn labels(&self) -> BTreeSet<&str> {
        let names = |labels: &'_ BTreeSet<String>| -> BTreeSet<String> {
            let name = |label: &String| label.split('=').next().unwrap().to_owned();
            labels.iter().map(name).collect()
        };
        let (first, _) = self.series.first().expect("a series");
        for (labels, _) in &self.series {
            assert_eq!(names(labels), names(first), "{}", self.name);
        }
        first
            .iter()
            .map(|label| label.split('=').next().unwrap())
            .collect()
    }
}

/// Reads a whole text.
///
/// # Panics
/// When a line is of another form, a series has no `# TYPE`, or a family comes twice.
#[must_use]
pub fn families(text: &str) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    let mut help = None;
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert!(
                families.iter().all(|family| family.name != name),
                "{name} comes twice"
            );
            let help = help.take().filter(|(of, _)| *of == name);
            families.push(Family {
                name: name.to_owned(),
                kind: kind.to_owned(),
                help: help.map(|(_, help)| help.to_owned()).unwrap_or_default(),
                series: Vec::new(),
            });
        } else {
            let family = families.last_mut().expect("a type before the series");
            family.series.extend(series(line, &family.name));
        }
    }
    families
}

fn series(line: &str, family: &str) -> Option<(BTreeSet<String>, f64)> {
    let (name, value) = line.rsplit_once(' ').expect("a value");
    let (name, labels) = name.split_once('{').unwrap_or((name, ""));
    let suffix = name.strip_prefix(family).expect("a series of the family");
    assert!(
        ["", "_bucket", "_sum", "_count"].contains(&suffix),
        "{line}"
    );
    let labels = labels
        .trim_end_matches('}')
        .split("\",")
        .filter(|label| !label.is_empty());
    let labels = labels.map(|label| format!("{}\"", label.trim_end_matches('"')));
    let labels = labels.filter(|label| !label.starts_with("le=")).collect();
    let value = value.parse().expect("a number");
    Some((labels, value))
}
