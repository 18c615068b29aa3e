//! What arrived, in a file that a SIGKILL cannot take back: one line a request, written before the request is answered.
//!
//! `<Unix milliseconds> <signal> <first id>+<count>,...`: runs of ids in the order in which they stand in the request.

use bytes::Bytes;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

const MARK: &[u8] = b"oid-";
const DIGITS: usize = 16;

/// The file.
pub(crate) struct Record(Mutex<File>);

impl Record {
    /// Opens or creates it. A line that a kill has left half written was not answered: it is cut off.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let whole = text.iter().rposition(|byte| *byte == b'\n');
        let file = File::options().create(true).append(true).open(path)?;
        file.set_len(whole.map_or(0, |end| end as u64 + 1))?;
        Ok(Self(Mutex::new(file)))
    }

    /// Writes the ids of a request of so many items; false when they are not as many, or cannot be written.
    pub(crate) fn write(&self, signal: &str, body: &Bytes, items: usize) -> bool {
        let Some(ids) = ids(body).filter(|ids| ids.len() == items) else {
            eprintln!("a request of {items} {signal} has not as many ids");
            return false;
        };
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match file.write_all(line(signal, &ids).as_bytes()) {
            Ok(()) => true,
            Err(error) => {
                eprintln!("the record cannot be written: {error}");
                false
            }
        }
    }
}

/// The ids of `item.id` attributes, found by their look; `None` if something only begins like one.
fn ids(body: &[u8]) -> Option<Vec<u64>> {
    let mut ids = Vec::new();
    let mut rest = body;
    while let Some(place) = rest.windows(MARK.len()).position(|bytes| bytes == MARK) {
        let digits = rest.get(place + MARK.len()..place + MARK.len() + DIGITS)?;
        ids.push(std::str::from_utf8(digits).ok()?.parse().ok()?);
        rest = &rest[place + MARK.len() + DIGITS..];
    }
    Some(ids)
}

fn line(signal: &str, ids: &[u64]) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let mut line = format!("{} {signal} ", now.unwrap_or_default().as_millis());
    let runs = ids.chunk_by(|one, next| one + 1 == *next);
    for (n, run) in runs.enumerate() {
        let comma = if n == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        _ = write!(line, "{comma}{}+{}", run[0], run.len());
    }
    line.push('\n');
    line
}
