//! Heads of recent header blocks.
//!
//! A peer with a warm header table sends the same few bytes for every call. A block that leaves the table as it is decodes
//! to the same fields as long as the table does not change, so the decoded head is used again.
//!
//! *Invariant:* a hit is exactly what decoding would give.

use super::Head;

/// Blocks kept: a sidecar that sends three signals over one connection uses three.
const ENTRIES: usize = 4;
/// Longer blocks are not kept.
const MAX_BLOCK: usize = 512;

#[derive(Debug)]
struct Entry {
    block: Vec<u8>,
    head: Head,
}

/// The last few blocks of a connection and their heads.
#[derive(Debug, Default)]
pub(crate) struct HeadCache {
    entries: Vec<Entry>,
    /// The state of the header table that all entries belong to.
    version: u64,
    oldest: usize,
}

impl HeadCache {
    /// The head of this block, if it was decoded before with the table as it is now.
    pub(crate) fn get(&self, block: &[u8], version: u64) -> Option<Head> {
        if version != self.version {
            return None;
        }
        self.entries
            .iter()
            .find(|entry| entry.block == block)
            .map(|entry| entry.head.clone())
    }

    /// Keeps a head whose block did not change the table.
    pub(crate) fn put(&mut self, block: &[u8], version: u64, head: &Head) {
        if block.len() > MAX_BLOCK {
            return;
        }
        if version != self.version {
            self.entries.clear();
            self.version = version;
            self.oldest = 0;
        }
        let entry = Entry {
            block: block.to_vec(),
            head: head.clone(),
        };
        if self.entries.len() < ENTRIES {
            self.entries.push(entry);
        } else {
            self.entries[self.oldest] = entry;
            self.oldest = (self.oldest + 1) % ENTRIES;
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self {
            version: self.version,
            ..Self::default()
        };
    }
}
