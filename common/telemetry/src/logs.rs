//! Structured logs, as text or JSON: one line an event, fields as fields, the message constant.
//!
//! *Invariant:* no line of level error is ever left out; of others that repeat themselves the number is told
//! ([`Repeats`]).

use crate::repeat::Repeats;
use penstock_settings::Telemetry;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::format::{self, FormatEvent, FormatFields, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, MakeWriter, layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The level is not one of ours.
    #[error("log level `{0}` is none of trace, debug, info, warn, error")]
    Level(String),
    /// A file cannot be written to.
    #[error("cannot write logs to {path}: {error}")]
    Open {
        /// As in the settings.
        path: String,
        /// Why not.
        error: io::Error,
    },
    /// Logging was started before.
    #[error("logging was started twice")]
    Twice,
}

/// Starts logging for the process. [`Repeats::tell`] is to be run as a task.
///
/// # Errors
/// [`LogsError`] when the level is unknown, a file cannot be opened, or logging runs already.
pub fn start(settings: &Telemetry) -> Result<Repeats, LogsError> {
    let level = &settings.log_level;
    let filter = EnvFilter::try_new(level).map_err(|_| LogsError::Level(level.clone()))?;
    let outputs = Outputs::open(&settings.log_outputs)?;
    let repeats = Repeats::default();
    let registry = tracing_subscriber::registry()
        .with(filter)
        .with(repeats.clone());
    // A line that cannot be written must not be a panic about a line that cannot be written.
    let layer = layer().log_internal_errors(false);
    let started = if settings.log_json {
        let lines = Lines::json(&settings.log_fields);
        let layer = layer.event_format(lines).fmt_fields(JsonFields::new());
        registry.with(layer.with_writer(outputs)).try_init()
    } else {
        let lines = Lines::text(&settings.log_fields);
        let ansi = outputs.is_terminal();
        let layer = layer.event_format(lines).with_ansi(ansi);
        registry.with(layer.with_writer(outputs)).try_init()
    };
    started.map_err(|_| LogsError::Twice)?;
    Ok(repeats)
}

/// A format, and the fields that every line has beside its own.
pub(crate) struct Lines<F> {
    format: F,
    /// As they stand in a line.
    fields: String,
    json: bool,
}

type Json = format::Format<format::Json>;

impl Lines<Json> {
    pub(crate) fn json(fields: &BTreeMap<String, String>) -> Self {
        let fields = serde_json::to_string(fields).unwrap_or_default();
        let fields = fields.trim_start_matches('{').trim_end_matches('}');
        Self {
            format: format::format().json().flatten_event(true),
            fields: fields.to_owned(),
            json: true,
        }
    }
}

impl Lines<format::Format> {
    fn text(fields: &BTreeMap<String, String>) -> Self {
        let fields = fields
            .iter()
            .map(|(name, value)| format!(" {name}={value:?}"));
        Self {
            format: format::format(),
            fields: fields.collect(),
            json: false,
        }
    }
}

impl<S, N, F> FormatEvent<S, N> for Lines<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if self.fields.is_empty() {
            return self.format.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.format
            .format_event(context, Writer::new(&mut line), event)?;
        let fields = &self.fields;
        match line.strip_prefix('{') {
            Some(rest) if self.json => writer.write_fmt(format_args!("{{{fields},{rest}")),
            _ => writer.write_fmt(format_args!("{}{fields}\n", line.trim_end())),
        }
    }
}

/// Where lines go.
#[derive(Debug)]
struct Outputs(Vec<Output>);

#[derive(Debug)]
enum Output {
    Stderr,
    Stdout,
    File(Arc<File>),
}

impl Outputs {
    fn open(paths: &[String]) -> Result<Self, LogsError> {
        let open = |path: &String| match path.as_str() {
            "stderr" => Ok(Output::Stderr),
            "stdout" => Ok(Output::Stdout),
            _ => {
                let file = OpenOptions::new().create(true).append(true).open(path);
                let file = file.map_err(|error| LogsError::Open {
                    path: path.clone(),
                    error,
                });
                Ok(Output::File(Arc::new(file?)))
            }
        };
        Ok(Self(paths.iter().map(open).collect::<Result<_, _>>()?))
    }

    /// Whether colours make sense.
    fn is_terminal(&self) -> bool {
        let is_terminal = |output: &Output| match output {
            Output::Stderr => io::stderr().is_terminal(),
            Output::Stdout => io::stdout().is_terminal(),
            Output::File(_) => false,
        };
        self.0.iter().all(is_terminal)
    }
}

impl<'a> MakeWriter<'a> for Outputs {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// A whole line at a time, to every output; one that fails keeps no other from getting it.
impl Write for &Outputs {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut written = Ok(line.len());
        for output in &self.0 {
            let result = match output {
                Output::Stderr => io::stderr().write_all(line),
                Output::Stdout => io::stdout().write_all(line),
                Output::File(file) => (&mut &**file).write_all(line),
            };
            if let Err(error) = result {
                written = Err(error);
            }
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
