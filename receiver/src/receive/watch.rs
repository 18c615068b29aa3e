//! Files that may change while they are in use: certificates, tokens, passwords.
//!
//! They are read again and again and count by their content, so it is all the same whether they are written over, renamed or,
//! as Kubernetes does it, reached by a link that leads elsewhere.
//!
//! *Invariant:* what cannot be used changes nothing, and is told once.

use crate::metrics::DoorCounts;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

/// Something made of files.
pub(crate) trait Watched: Send + Sync + 'static {
    /// Why new files cannot be used.
    type Fault: Display + Send + 'static;

    /// What it is, for people and as a label.
    fn what(&self) -> &'static str;

    /// How often to look.
    fn every(&self) -> Duration;

    /// Looks now. Blocking. Tells whether something is another.
    ///
    /// # Errors
    /// The files cannot be used; nothing has changed.
    fn look(&self) -> Result<bool, Self::Fault>;
}

/// Looks for ever; `counts` has how it went.
pub(crate) async fn watch<W: Watched>(watched: Arc<W>, counts: Arc<DoorCounts>) {
    let what = watched.what();
    let mut faulty = false;
    loop {
        tokio::time::sleep(watched.every()).await;
        let looking = Arc::clone(&watched);
        let Ok(looked) = tokio::task::spawn_blocking(move || looking.look()).await else {
            return;
        };
        let was_faulty = std::mem::replace(&mut faulty, looked.is_err());
        counts.files_faulty(what, faulty);
        match looked {
            Ok(changed) => {
                if changed || was_faulty {
                    tracing::info!(what, receiver = counts.receiver, "read again");
                }
            }
            Err(error) if !was_faulty => {
                let receiver = &counts.receiver;
                tracing::error!(%error, what, receiver, "changed files cannot be used, what was read before stays");
            }
            Err(_) => {}
        }
    }
}
