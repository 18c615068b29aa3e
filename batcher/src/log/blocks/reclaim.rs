//! Which segments go, and what goes when there is no room.
//!
//! *Invariant:* what a cursor has not read goes only by the policy that says so, and is a loss that is told.

use super::disk::{Job, Step};
use super::loss::Loss;
use super::state::State;
use crate::fate::DropReason;
use crate::log::segments::SegmentInfo;
use crate::log::store::Removal;
use penstock_settings::{OnFull, SyncPolicy};
use std::time::Duration;
use tokio::time::Instant;

/// Between two attempts to make room of which the first may have made none.
const ROOM_PAUSE: Duration = Duration::from_millis(100);

impl State {
    /// What makes room: first of all files go that only wait for a sync.
    pub(super) fn find_room(&mut self, now: Instant) -> Option<Step> {
        let disk = self.disk.as_mut()?;
        if disk.segments.leaving() == 0 {
            return self.make_room().map(Step::Write);
        }
        if disk.syncing.is_some() {
            return None;
        }
        disk.room_after = Some(now + ROOM_PAUSE);
        if disk.failed_syncs > 0 || disk.is_failing() {
            return self.make_room().map(Step::Write);
        }
        if disk.writing.sync != SyncPolicy::Commit {
            return Some(disk.begin_sync());
        }
        let mut job = self.blocks_job();
        job.sync = true;
        Some(Step::Write(job))
    }

    pub(super) fn is_past(&self, segment: &SegmentInfo) -> bool {
        let (first, end) = (segment.first.seq, segment.end.seq);
        self.positions.iter().all(|at| at.is_past(first, end))
    }

    /// The segments that no cursor needs any more.
    pub(super) fn removable(&self) -> Vec<u64> {
        let Some(disk) = &self.disk else {
            return Vec::new();
        };
        let segments = disk.segments.list().into_iter();
        segments
            .filter(|segment| segment.sealed && self.is_past(segment))
            .map(|segment| segment.first.seq)
            .collect()
    }

    /// A job that frees room: what nobody needs any more; else, if the policy is so, the oldest segment, unread or not.
    pub(super) fn make_room(&mut self) -> Option<Job> {
        let disk = self.disk.as_ref()?;
        let (drops, refused) = (disk.writing.on_full == OnFull::DropOldest, disk.refused);
        let segments = disk.segments.list();
        let (newest, older) = segments.split_last()?;
        let past = older.iter().filter(|segment| self.is_past(segment));
        let mut remove: Vec<_> = past.map(|segment| segment.first.seq).collect();
        let has_blocks = |segment: &&SegmentInfo| segment.end.seq > segment.first.seq;
        if remove.is_empty() {
            // The newest has the books: it can go once there is one after it.
            let dead = has_blocks(&newest) && self.is_past(newest);
            let oldest = || segments.iter().find(has_blocks).filter(|_| drops);
            let gone = if dead { newest } else { oldest()? };
            if !dead {
                self.drop_segment(gone);
            }
            remove.push(gone.first.seq);
        }
        self.touch(true);
        let books = Some(self.books());
        let mut job = self.blocks_job();
        let newest_goes = remove.contains(&newest.first.seq);
        job.seal = newest_goes;
        job.books = books;
        // Without room for the books either, these have to wait until something is gone.
        job.remove_first = refused && !newest_goes;
        job.remove = remove;
        if refused {
            job.removal = Removal::Now;
        }
        Some(job)
    }

    /// A segment goes: what a cursor has not read of it is dropped. Batches in flight are in memory and end as usual.
    pub(super) fn drop_segment(&mut self, segment: &SegmentInfo) {
        let mut losses = Vec::new();
        // What is in the file and not yet accepted is still in memory.
        let written = self.end();
        let end = if segment.end.seq > written.seq {
            written
        } else {
            segment.end
        };
        for (reader, position) in self.positions.iter_mut().enumerate() {
            let first = position.read().seq;
            if first < end.seq {
                let items = position.skip(end);
                let blocks = first..=end.seq - 1;
                losses.extend(Loss::of(reader, DropReason::DiskFull, items, blocks));
            }
            position.cut_again(segment.first.seq, segment.end.seq);
        }
        if let Some(disk) = &mut self.disk {
            disk.gone = disk.gone.max(segment.end.seq);
            disk.losses.extend(losses);
        }
    }
}
