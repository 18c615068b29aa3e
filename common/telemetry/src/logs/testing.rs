//! Lines as a test reads them.

use super::Lines;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use tracing::Subscriber;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

/// What was logged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    /// Each line's fields.
    pub(crate) fn lines(&self) -> Vec<serde_json::Value> {
        let bytes = self.0.lock().unwrap();
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        lines
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs `act` with a subscriber and a writer of JSON lines on top of it.
pub(crate) fn logged<S>(subscriber: S, act: impl FnOnce()) -> Captured
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync + 'static,
{
    let captured = Captured::default();
    let writer = captured.clone();
    let fields = BTreeMap::from([("cluster".to_owned(), "a \"b\"".to_owned())]);
    let layer = layer()
        .event_format(Lines::json(&fields))
        .fmt_fields(JsonFields::new())
        .with_writer(move || writer.clone());
    tracing::subscriber::with_default(subscriber.with(layer), act);
    captured
}
