//! Logs that no process has: of shards that are no more, of a process that has ended, of data that was handed over. A shard
//! empties its part of them, carries their counts into its own log and removes them.
//!
//! *Invariant:* the counts of a log are in one log's books at any time. A log to be carried is first moved into the folder of
//! the one that carries it, by a single rename, so whoever opens that one next knows; it names in its books what it
//! has carried for as long as the folder is there.

use super::blocks::Blocks;
use super::feed::{CARRIED, Feed, Place, Whose, handed_root};
use super::folders::{Folder, Folders, unescaped};
use penstock_hop::Transport;
use penstock_runtime::Phase;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// How often it is looked for logs that nobody has.
const PERIOD: Duration = Duration::from_secs(1);
/// Before the first look: the other shards of this process are about to take theirs.
const FIRST: Duration = Duration::from_millis(200);

impl<T: Transport> Feed<T> {
    /// Adopts this shard's part of what nobody has, until the process stops.
    pub(super) async fn adopt(self: Arc<Self>, own: Arc<Blocks>) {
        let Some(place) = self.place.clone() else {
            return;
        };
        let _other = self.other();
        let mut unusable = BTreeSet::new();
        let mut pause = FIRST;
        loop {
            tokio::select! {
                biased;
                () = self.drain.reached(Phase::Closing) => return,
                () = sleep(pause) => pause = PERIOD,
            }
            for (folder, whose) in self.find(&place).await {
                if !unusable.contains(&folder.path) {
                    let path = folder.path.clone();
                    if !self.adopt_one(folder, whose, &own).await {
                        unusable.insert(path);
                    }
                }
            }
        }
    }

    /// Folders that nobody had, and which cursor they are for if not for all.
    async fn find(&self, place: &Place) -> Vec<(Folder, Option<(String, String)>)> {
        let (shard, shards) = (self.options.shard as u64, self.options.shards.max(1) as u64);
        let known: BTreeSet<_> = self
            .cursors
            .iter()
            .map(|cursor| (cursor.pipeline.clone(), cursor.exporter.clone()))
            .collect();
        let place = place.clone();
        let look = move || {
            let unlocked = |root: PathBuf| {
                let folders = Folders::new(root, Arc::clone(&place.disk));
                folders.unlocked(|slot| slot % shards == shard)
            };
            let mut found: Vec<_> = unlocked(place.root.clone())
                .into_iter()
                .map(|folder| (folder, None))
                .collect();
            let handed = handed_root(&place.root);
            for name in place.disk.list(&handed).unwrap_or_default() {
                let cursor = name
                    .split_once('+')
                    .map(|(pipeline, exporter)| (unescaped(pipeline), unescaped(exporter)))
                    .filter(|cursor| known.contains(cursor));
                if cursor.is_some() {
                    let folders = unlocked(handed.join(&name));
                    found.extend(folders.into_iter().map(|folder| (folder, cursor.clone())));
                }
            }
            found
        };
        match &self.place {
            Some(place) => place.helper.run(look).await,
            None => Vec::new(),
        }
    }

    /// False when the log cannot be used.
    async fn adopt_one(
        self: &Arc<Self>,
        folder: Folder,
        whose: Option<(String, String)>,
        own: &Arc<Blocks>,
    ) -> bool {
        let path = folder.path.clone();
        let other = self.other();
        let whose = match &whose {
            Some((pipeline, exporter)) => Whose::One(pipeline, exporter),
            None => Whose::All,
        };
        let (blocks, writer) = match self.open(folder, whose).await {
            Ok(opened) => opened,
            Err(error) => {
                tracing::error!(%error, "log not adopted");
                return false;
            }
        };
        // It takes nothing, so its cursors end when they have read it.
        blocks.close();
        let items: u64 = blocks.snapshot().cursors.iter().map(|c| c.held).sum();
        tracing::info!(signal = %self.options.signal, log = %blocks.log_id, items, path = %path.display(), "log adopted");
        blocks.metrics.adopted();
        let (feed, own) = (Arc::clone(self), Arc::clone(own));
        self.tasks.spawn("adopted log", async move {
            let (folder, all) = writer.run().await;
            let held: u64 = blocks.snapshot().cursors.iter().map(|c| c.held).sum();
            // What the end of the process leaves stays where it is.
            // Nor is anything carried that the books on disk do not have: whoever opened it next would not know.
            if all && held == 0 && blocks.has_written_books() {
                feed.carry(&own, &blocks, folder).await;
            }
            drop(other);
        });
        true
    }

    /// Takes over the counts of a log that is at its end, and removes it.
    async fn carry(&self, own: &Arc<Blocks>, done: &Arc<Blocks>, mut folder: Folder) {
        let (Some(place), Some(files)) = (&self.place, own.files()) else {
            return;
        };
        let to = files.path.join(format!("{CARRIED}{}", done.log_id));
        let (disk, from, into) = (Arc::clone(&place.disk), folder.path.clone(), to.clone());
        let rename = move || {
            disk.rename(&from, &into)?;
            // Were it undone once the counts are carried, they would be carried twice.
            for path in [&into, &from] {
                path.parent().map_or(Ok(()), |dir| disk.sync_dir(dir))?;
            }
            io::Result::Ok(())
        };
        if let Err(error) = place.helper.run(rename).await {
            tracing::warn!(%error, path = %folder.path.display(), "emptied log not carried over, it stays until the next start");
            return;
        }
        folder.path = to;
        self.ledger.carry(own, done);
        tracing::info!(signal = %self.options.signal, log = %done.log_id, into = %own.log_id, "adopted log is emptied");
        self.forget(own, folder, &done.log_id).await;
    }

    /// Removes a log once the books of the one that carries it are durable.
    pub(super) async fn forget(&self, own: &Arc<Blocks>, folder: Folder, log_id: &str) {
        let Some(place) = &self.place else { return };
        if !own.durable().await {
            return;
        }
        let path = folder.path.clone();
        match place.helper.run(move || folder.remove()).await {
            Ok(()) => own.carried_is_gone(log_id),
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "emptied log not removed");
            }
        }
    }
}
