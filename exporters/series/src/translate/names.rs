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
    /// Whatever characters there are, instead of underscores.
    pub(crate) utf8: bool,
}

impl Naming {
    /// The name of a metric.
    pub(crate) fn metric(&self, name: &str, unit: &str, shape: Shape) -> String {
        match (self.utf8, self.suffixes) {
            (true, _) => self.as_it_is(name, unit, shape),
            (false, true) => self.in_words(name, unit, shape),
            (false, false) => self.escaped(name),
        }
    }

    /// Without suffixes underscores are part of a name, and only what is between them is changed.
    fn escaped(&self, name: &str) -> String {
        let clean = |text: &str| {
            let parts = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == ':' || c == '_'));
            let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
            parts.join("_")
        };
        if self.namespace.is_empty() {
            not_a_digit_first(clean(name))
        } else {
            not_a_digit_first(format!("{}_{}", clean(&self.namespace), clean(name)))
        }
    }

    /// Characters as they are; suffixes at the end, if at all.
    fn as_it_is(&self, name: &str, unit: &str, shape: Shape) -> String {
        let mut name = match self.namespace.as_str() {
            "" => name.to_owned(),
            namespace => format!("{namespace}_{name}"),
        };
        if !self.suffixes {
            return name;
        }
        let ending = match shape {
            Shape::Counter => Some("total"),
            Shape::Gauge if unit == "1" => Some("ratio"),
            _ => None,
        };
        let (main, per) = units(unit, true);
        let per = per.map(|per| format!("per_{per}"));
        for suffix in [ending, per.as_deref()].into_iter().flatten() {
            // With what is between: `a.total` is `a_total`.
            if name.ends_with(suffix) && name.len() > suffix.len() + 1 {
                let before = name.len() - suffix.len();
                name.truncate(name.floor_char_boundary(before - 1));
            }
        }
        let main = main.filter(|main| !name.ends_with(main.as_str()));
        for suffix in [main.as_deref(), per.as_deref(), ending]
            .into_iter()
            .flatten()
        {
            name.push('_');
            name.push_str(suffix);
        }
        name
    }

    /// Words with underscores between them, units and endings among them.
    fn in_words(&self, name: &str, unit: &str, shape: Shape) -> String {
        let mut words: Vec<&str> = name
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == ':'))
            .filter(|word| !word.is_empty())
            .collect();
        let (main, per) = units(unit, false);
        if let Some(main) = main.as_deref().filter(|main| !words.contains(main)) {
            words.push(main);
        }
        if let Some(per) = &per {
            // Whether or not it is there: the Collector does so too.
            words.extend(["per", per]);
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
        if !self.namespace.is_empty() {
            words.insert(0, &self.namespace);
        }
        not_a_digit_first(words.join("_"))
    }
}

fn not_a_digit_first(name: String) -> String {
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        format!("_{name}")
    } else {
        name
    }
}

/// The name of a label, with whatever characters there are or with underscores.
pub(crate) fn label(name: String, utf8: bool) -> String {
    if name.is_empty() {
        return "_".to_owned();
    }
    let may_stay = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let clean = if utf8 || name.chars().all(may_stay) {
        name
    } else {
        let clean = name.chars().map(|c| if may_stay(c) { c } else { '_' });
        clean.collect()
    };
    if !utf8 && clean.starts_with(|c: char| c.is_ascii_digit()) {
        format!("key_{clean}")
    } else {
        clean
    }
}

/// The words for a unit and for what it is per. What stands in braces is a remark. One that is not known
/// stays as it is if `utf8`.
fn units(unit: &str, utf8: bool) -> (Option<String>, Option<String>) {
    let (main, per) = match unit.split_once('/') {
        Some((main, per)) => (main.trim(), Some(per.trim())),
        None => (unit.trim(), None),
    };
    let word = |unit: &str, known: fn(&str) -> Option<&'static str>| {
        if unit.is_empty() || unit.contains(['{', '}']) {
            return None;
        }
        let clean = |unit: &str| {
            if utf8 {
                return unit.to_owned();
            }
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
