//! A report as pprof's `profile.proto`: samples, each a stack of functions, and the CPU time that they stand for.

use flate2::Compression;
use flate2::write::GzEncoder;
use pprof::{Report, Symbol};
use prost::Message;
use std::collections::HashMap;
use std::io::{self, Write};
use std::time::UNIX_EPOCH;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Profile {
    #[prost(message, repeated, tag = "1")]
    pub(super) sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    pub(super) sample: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    pub(super) location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    pub(super) function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    pub(super) string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    pub(super) time_nanos: i64,
    #[prost(int64, tag = "10")]
    pub(super) duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    pub(super) period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    pub(super) period: i64,
}

/// Both are places in the string table, as all texts of the format are.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct ValueType {
    #[prost(int64, tag = "1")]
    pub(super) kind: i64,
    #[prost(int64, tag = "2")]
    pub(super) unit: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Sample {
    /// The innermost first.
    #[prost(uint64, repeated, tag = "1")]
    pub(super) location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    pub(super) value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    pub(super) label: Vec<Label>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Label {
    #[prost(int64, tag = "1")]
    pub(super) key: i64,
    #[prost(int64, tag = "2")]
    pub(super) str: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Location {
    #[prost(uint64, tag = "1")]
    pub(super) id: u64,
    #[prost(message, repeated, tag = "4")]
    pub(super) line: Vec<Line>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Line {
    #[prost(uint64, tag = "1")]
    pub(super) function_id: u64,
    #[prost(int64, tag = "2")]
    pub(super) line: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Function {
    #[prost(uint64, tag = "1")]
    pub(super) id: u64,
    #[prost(int64, tag = "2")]
    pub(super) name: i64,
    #[prost(int64, tag = "3")]
    pub(super) system_name: i64,
    #[prost(int64, tag = "4")]
    pub(super) filename: i64,
}

/// The profile that a report makes.
pub(super) fn encode(report: &Report) -> Profile {
    let mut tables = Tables::default();
    // The format has it so: the first text is empty.
    tables.text("");
    let count = tables.value_type("samples", "count");
    let cpu = tables.value_type("cpu", "nanoseconds");
    let period = 1_000_000_000 / i64::from(report.timing.frequency.max(1));
    let mut samples = Vec::new();
    for (stack, number) in &report.data {
        let symbols = stack.frames.iter().flatten();
        let location_id = symbols.map(|symbol| tables.location(symbol)).collect();
        let label = Label {
            key: tables.text("thread"),
            str: tables.text(&stack.thread_name),
        };
        let number = *number as i64;
        samples.push(Sample {
            location_id,
            value: vec![number, number.saturating_mul(period)],
            label: vec![label],
        });
    }
    let since = report.timing.start_time.duration_since(UNIX_EPOCH);
    let nanos = |time: std::time::Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    Profile {
        sample_type: vec![count, cpu],
        sample: samples,
        location: tables.locations,
        function: tables.functions,
        string_table: tables.texts,
        time_nanos: nanos(since.unwrap_or_default()),
        duration_nanos: nanos(report.timing.duration),
        period_type: Some(cpu),
        period,
    }
}

/// As pprof's tools expect it.
pub(super) fn gzip(profile: &Profile) -> io::Result<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&profile.encode_to_vec())?;
    gzip.finish()
}

/// What samples refer to.
#[derive(Default)]
struct Tables {
    texts: Vec<String>,
    places: HashMap<String, i64>,
    functions: Vec<Function>,
    function_ids: HashMap<(i64, i64), u64>,
    locations: Vec<Location>,
    location_ids: HashMap<(u64, u32), u64>,
}

impl Tables {
    fn text(&mut self, text: &str) -> i64 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = self.texts.len() as i64;
        self.texts.push(text.to_owned());
        self.places.insert(text.to_owned(), place);
        place
    }

    fn value_type(&mut self, kind: &str, unit: &str) -> ValueType {
        let (kind, unit) = (self.text(kind), self.text(unit));
        ValueType { kind, unit }
    }

    fn location(&mut self, symbol: &Symbol) -> u64 {
        let function_id = self.function(symbol);
        let line = symbol.lineno();
        let next = self.locations.len() as u64 + 1;
        let id = *self.location_ids.entry((function_id, line)).or_insert(next);
        if id == next {
            let line = i64::from(line);
            let line = vec![Line { function_id, line }];
            self.locations.push(Location { id, line });
        }
        id
    }

    fn function(&mut self, symbol: &Symbol) -> u64 {
        let system_name = self.text(&symbol.sys_name());
        let filename = self.text(&symbol.filename());
        let next = self.functions.len() as u64 + 1;
        let id = *self
            .function_ids
            .entry((system_name, filename))
            .or_insert(next);
        if id == next {
            let name = self.text(&symbol.name());
            self.functions.push(Function {
                id,
                name,
                system_name,
                filename,
            });
        }
        id
    }
}
