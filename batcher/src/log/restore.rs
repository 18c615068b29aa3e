//! From the books on disk to the cursors of the configuration: who goes on where, who is new, who is gone.
//!
//! *Invariant:* pure; every count of the books is in what comes out, so the ledger's law holds for it if it held before.

use super::blocks::Reader;
use super::books::{Books, CursorBook};
use super::format::Totals;
use super::position::{Position, at_end};
use super::store::Recovered;
use penstock_settings::StartAt;
use std::time::Duration;
use tokio::time::Instant;

#[cfg(test)]
mod tests;

/// What a batch that waited outside the window waits again after a start.
const PARKED_WAIT: Duration = Duration::from_secs(5);

/// Where the cursors of a log are.
#[derive(Debug)]
pub(crate) struct Restored {
    /// In the order of the readers.
    pub(crate) positions: Vec<Position>,
    /// Cursors whose exporter is gone.
    pub(crate) retired: Vec<CursorBook>,
    /// Of these, those that are gone since the last start, with the items that are dropped by it.
    pub(crate) removed: Vec<(CursorBook, u64)>,
    /// Cursors whose books do not add up, which only a fault of the program can bring about.
    pub(crate) unlawful: Vec<CursorBook>,
    /// Logs whose counts are in the books already.
    pub(crate) carried: Vec<String>,
}

impl Restored {
    pub(crate) fn new(recovered: &Recovered, readers: &[Reader], start: StartAt) -> Self {
        let books = recovered.books.clone().unwrap_or_default();
        let (first, end) = (recovered.first, recovered.end);
        // Books that are lost say nothing of who had what: everybody gets all there is.
        let lost = recovered.books.is_none();
        let begin = match start {
            StartAt::Tail if !lost => end,
            StartAt::Tail | StartAt::Oldest => first,
        };
        let mut restored = Self {
            positions: Vec::new(),
            retired: Vec::new(),
            removed: Vec::new(),
            unlawful: Vec::new(),
            carried: books.carried.clone(),
        };
        let Books { mut cursors, .. } = books;
        for book in &mut cursors {
            if !book.balances() {
                restored.unlawful.push(book.clone());
                make_lawful(book);
            }
        }
        for reader in readers {
            let found = cursors.iter().position(|book| is_of(book, reader));
            let book = found.map(|at| cursors.swap_remove(at));
            restored.positions.push(position(reader, book, begin));
        }
        for book in cursors {
            if book.retired {
                restored.retired.push(book);
                continue;
            }
            // The rule is of no use to a cursor that reads no more.
            let rule = crate::batch::Rule::new(&penstock_settings::Batch::default());
            let mut position = Position::restore(rule, None, &book, Instant::now());
            let (retired, dropped) = position.retire(end, &book.pipeline, &book.exporter);
            restored.retired.push(retired.clone());
            restored.removed.push((retired, dropped));
        }
        restored
    }

    /// Takes over the counts of another log that is at its end.
    pub(crate) fn carry(&mut self, books: &Books, readers: &[Reader]) {
        carry(books, readers, &mut self.positions, &mut self.retired);
    }
}

/// Adds the counts of a log that is at its end to another's.
pub(crate) fn carry(
    books: &Books,
    readers: &[Reader],
    positions: &mut [Position],
    retired: &mut Vec<CursorBook>,
) {
    for book in &books.cursors {
        if let Some(at) = readers.iter().position(|reader| is_of(book, reader)) {
            positions[at].carry(book);
            continue;
        }
        let same = |other: &&mut CursorBook| {
            other.pipeline == book.pipeline && other.exporter == book.exporter
        };
        let carried = at_end(book);
        if let Some(other) = retired.iter_mut().find(same) {
            other.carried_accepted += carried;
            other.delivered += book.delivered;
            other.rejected += book.rejected;
            other.dropped += book.dropped;
            other.retried += book.retried;
            other.handed_over += book.handed_over;
        } else {
            retired.push(CursorBook {
                next: 0,
                read_items: 0,
                read_bytes: 0,
                since_items: 0,
                carried_accepted: carried,
                in_flight: Vec::new(),
                retired: true,
                ..book.clone()
            });
        }
    }
}

fn position(reader: &Reader, book: Option<CursorBook>, begin: Totals) -> Position {
    let rule = reader.rule.clone();
    match book {
        Some(book) if !book.retired => {
            let wait = Instant::now() + PARKED_WAIT;
            Position::restore(rule, reader.limit, &book, wait)
        }
        Some(book) => {
            let mut position = Position::new(rule, reader.limit, begin);
            position.carry(&book);
            position
        }
        None => Position::new(rule, reader.limit, begin),
    }
}

fn is_of(book: &CursorBook, reader: &Reader) -> bool {
    book.pipeline == reader.pipeline && book.exporter == reader.exporter
}

/// Changes what was accepted so that the rest adds up to it: nothing that was read is in doubt.
fn make_lawful(book: &mut CursorBook) {
    let in_flight: u64 = book.in_flight.iter().map(|batch| batch.items).sum();
    let ends = book.delivered + book.rejected + book.dropped + in_flight;
    let own = book.read_items.saturating_sub(book.since_items);
    book.carried_accepted = ends.saturating_sub(own);
    book.since_items = (book.read_items + book.carried_accepted).saturating_sub(ends);
}
