//! Names as OpenTelemetry's Prometheus compatibility specification has them.
//!
//! *Invariant:* whatever comes in, a name that Prometheus takes comes out; a suffix that is there is not added again.

/// What a metric is, as far as its name goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A monotonic sum.
    Counter,
    /// A gauge.
    Gauge,
    /// Anything else.
    Other,
}

/// How names are made.
#[derive(Clone, Debug)]
pub(crate) struct Naming {
    pub(crate) namespace: String,
    pub(crate) suffixes: bool,
}

impl Naming {
    /// The name of a metric.
    pub(crate) fn metric(&self, name: &str, unit: &str, shape: Shape) -> String {
        let mut words: Vec<&str> = name
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == ':'))
            .filter(|word| !word.is_empty())
            .collect();
        let (main, per) = units(unit);
        if self.suffixes {
            for unit in [main.as_deref(), per.as_deref()].into_iter().flatten() {
                if words.contains(&unit) {
                    continue;
                }
                if Some(unit) == per.as_deref() {
                    words.push("per");
                }
                words.push(unit);
            }
            let ending = match shape {
                Shape::Counter => Some("total"),
                Shape::Gauge if unit == "1" => Some("ratio"),
                _ => None,
            };
            if let Some(ending) = ending {
                words.retain(|word| *word != ending);
                words.push(ending);
            }
        }
        if !self.namespace.is_empty() {
            words.insert(0, &self.namespace);
        }
        let name = words.join("_");
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            format!("_{name}")
        } else {
            name
        }
    }
}

/// The name of a label.
pub(crate) fn label(name: &str) -> String {
    let clean: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    if clean.starts_with(|c: char| c.is_ascii_digit()) {
        format!("key_{clean}")
    } else if clean.starts_with('_') && !clean.starts_with("__") {
        format!("key{clean}")
    } else {
        clean
    }
}

/// The words for a unit and for what it is per. What stands in braces is a remark.
fn units(unit: &str) -> (Option<String>, Option<String>) {
    let (main, per) = match unit.split_once('/') {
        Some((main, per)) => (main.trim(), Some(per.trim())),
        None => (unit.trim(), None),
    };
    let word = |unit: &str, known: fn(&str) -> Option<&'static str>| {
        if unit.is_empty() || unit.contains(['{', '}']) {
            return None;
        }
        let clean = |unit: &str| {
            let words = unit.split(|c: char| !c.is_ascii_alphanumeric());
            let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
            words.join("_")
        };
        let word = known(unit).map_or_else(|| clean(unit), str::to_owned);
        (!word.is_empty() && unit != "1").then_some(word)
    };
    (
        word(main, unit_word),
        per.and_then(|per| word(per, per_word)),
    )
}

fn unit_word(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tibibytes",
        "KBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "%" => "percent",
        _ => return None,
    })
}

fn per_word(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "s" => "second",
        "m" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        _ => return None,
    })
}
