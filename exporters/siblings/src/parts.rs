//! Which parts are in which, so that what moves while all is gathered is not counted twice.
//!
//! *Invariant:* an id names one part for ever; of what came in lately it is known which parts it was.

use crate::wire::Piece;
use bytes::Bytes;
use std::collections::{HashMap, HashSet};

/// Parts that are remembered to be in another one: more moves than there can be while all is gathered.
const REMEMBERED: usize = 16;

/// The parts of one replica, by the keys of their Resources.
#[derive(Debug, Default)]
pub(crate) struct Parts(HashMap<u64, Part>);

#[derive(Debug)]
struct Part {
    id: u64,
    includes: Vec<u64>,
}

impl Parts {
    fn of(&mut self, key: u64) -> &mut Part {
        self.0.entry(key).or_insert_with(|| Part {
            id: fastrand::u64(..),
            includes: Vec::new(),
        })
    }

    /// Forgets those that are not kept any more.
    pub(crate) fn retain(&mut self, keeps: impl Fn(u64) -> bool) {
        self.0.retain(|key, _| keeps(*key));
    }

    /// What is kept of a Resource, to be shown; without what it is.
    pub(crate) fn piece(&mut self, key: u64) -> Piece {
        let part = self.of(key);
        Piece {
            key,
            part: part.id,
            includes: part.includes.clone(),
            kept: Bytes::new(),
        }
    }

    /// What is kept of a Resource, to be kept by another: what comes after it is another part.
    pub(crate) fn give(&mut self, key: u64) -> Piece {
        let piece = self.piece(key);
        self.0.remove(&key);
        piece
    }

    /// A part of another replica's is in ours now.
    pub(crate) fn take_in(&mut self, piece: &Piece) {
        let part = self.of(piece.key);
        part.includes.extend(&piece.includes);
        part.includes.push(piece.part);
        let old = part.includes.len().saturating_sub(REMEMBERED);
        part.includes.drain(..old);
    }
}

/// The parts that are in another one of these.
pub(crate) fn hidden<'a>(pieces: impl Iterator<Item = &'a Piece>) -> HashSet<u64> {
    pieces
        .flat_map(|piece| piece.includes.iter().copied())
        .collect()
}
