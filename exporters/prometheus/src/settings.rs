//! The exporter's own keys.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::time::Duration;

/// `exporters.prometheus`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Own {
    /// Where it is scraped.
    pub(crate) endpoint: String,
    #[serde(default)]
    pub(crate) namespace: String,
    #[serde(default)]
    pub(crate) const_labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) send_timestamps: bool,
    #[serde(default = "five_minutes", deserialize_with = "duration")]
    pub(crate) metric_expiration: Duration,
    #[serde(default)]
    pub(crate) translation_strategy: Option<Strategy>,
    #[serde(default)]
    pub(crate) add_metric_suffixes: Option<bool>,
    #[serde(default)]
    pub(crate) resource_to_telemetry_conversion: Enabled,
    #[serde(default)]
    pub(crate) without_scope_info: bool,
    /// Series that may be kept; what would be beyond is rejected.
    #[serde(default = "million")]
    pub(crate) max_series: usize,
    /// How long a scrape waits for other replicas.
    #[serde(default = "one_second", deserialize_with = "duration")]
    pub(crate) gather_timeout: Duration,
    // The one format serves whoever could have another one.
    #[serde(default, rename = "enable_open_metrics")]
    _enable_open_metrics: IgnoredAny,
    // Read by everybody's part of the settings.
    #[serde(default, rename = "timeout")]
    _timeout: IgnoredAny,
    #[serde(default, rename = "retry_on_failure")]
    _retry_on_failure: IgnoredAny,
    #[serde(default, rename = "sending_queue")]
    _sending_queue: IgnoredAny,
}

/// A section with a switch.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Enabled {
    pub(crate) enabled: bool,
}

/// `translation_strategy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Strategy {
    #[serde(rename = "UnderscoreEscapingWithSuffixes")]
    Suffixes,
    #[serde(rename = "UnderscoreEscapingWithoutSuffixes")]
    NoSuffixes,
}

impl Own {
    /// Whether names end in units and `_total`.
    pub(crate) fn suffixes(&self) -> bool {
        match self.translation_strategy {
            Some(strategy) => strategy == Strategy::Suffixes,
            None => self.add_metric_suffixes.unwrap_or(true),
        }
    }
}

fn five_minutes() -> Duration {
    Duration::from_secs(300)
}

fn one_second() -> Duration {
    Duration::from_secs(1)
}

fn million() -> usize {
    1_000_000
}

/// As Go writes it: `5m`, `1h30m`, `400ms`.
fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text)
        .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a duration such as 5m")))
}

fn parse(text: &str) -> Option<Duration> {
    let (mut rest, mut sum) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
        let (unit, seconds) = units
            .into_iter()
            .find(|(unit, _)| rest[end..].starts_with(unit))?;
        sum += Duration::try_from_secs_f64(number * seconds).ok()?;
        rest = &rest[end + unit.len()..];
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::parse;
    use std::time::Duration;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        assert_eq!(parse("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(parse("400ms"), Some(Duration::from_millis(400)));
        assert_eq!(parse("1.5s"), Some(Duration::from_millis(1500)));
        for wrong in ["", "5", "m", "5 m", "-1s"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
