//! OTLP data points as Prometheus has them: names, labels, values, and the series that they are.
//!
//! *Invariant:* knows no protocol and keeps nothing: the same request always gives the same points.

mod histogram;
mod number;
mod point;
mod series;
mod translate;

pub use histogram::{BucketSpan, Histogram, Mismatch, STALE, Sample};
pub use number::{go_float, plain_float};
pub use point::{Buckets, Exemplar, Family, Kind, Labels, Point, Quantiles, Value};
pub use series::Series;
pub use translate::{ResourceLabels, Translated, Translation, Translator};
