//! OTLP data points as Prometheus series: names, labels, values.
//!
//! *Invariant:* knows no protocol and keeps nothing: the same request always gives the same series.

mod histogram;
mod series;
mod translate;

pub use histogram::{BucketSpan, Histogram, STALE, Sample};
pub use series::{Exemplar, Family, Kind, Labels, Series};
pub use translate::{Translated, Translation, Translator};
