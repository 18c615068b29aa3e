//! The end of a batch or of a share of one: what is told and counted, and when.
//!
//! *Invariant:* the books have it before any counter or line in the log says so, and dead letters before the books: a
//! process that dies in between sends it again.

use super::{Dispatcher, End};
use crate::dead_letter::Meta;
use crate::fate::{DropReason, Fate, RejectReason};
use penstock_hop::{Batch, Origin, Transport};

/// What became of a batch, or of a share of one, not yet in the books.
pub(super) struct Verdict {
    fate: Fate,
    loss: Option<Loss>,
}

struct Loss {
    items: usize,
    reason: LossReason,
    why: String,
}

enum LossReason {
    Rejected(RejectReason),
    Dropped(DropReason),
}

impl<T: Transport> Dispatcher<T> {
    pub(super) async fn settle(&self, batch: &Batch, end: End) {
        if let Some(verdict) = self.verdict(batch, end).await {
            self.close(&batch.origin, batch.items, vec![verdict]);
        }
    }

    /// What the end of a batch means for its items; `None` when it is no end.
    pub(super) async fn verdict(&self, batch: &Batch, end: End) -> Option<Verdict> {
        let items = batch.items;
        let (fate, reason, why) = match end {
            End::Delivered {
                rejected,
                message,
                handed_over,
            } => {
                let rejected = rejected.min(items);
                if rejected == 0 && !message.is_empty() {
                    tracing::debug!(exporter = %self.exporter, %message, "batch delivered with a remark");
                }
                let delivered = (items - rejected) as u64;
                let fate = Fate {
                    delivered,
                    rejected: rejected as u64,
                    dropped: 0,
                    handed_over: if handed_over { delivered } else { 0 },
                };
                // Which items, the backend does not say: the whole batch as a dead letter would be mostly what it has.
                let reason = LossReason::Rejected(RejectReason::PartialSuccess);
                let loss = (rejected > 0).then_some(Loss {
                    items: rejected,
                    reason,
                    why: message,
                });
                return Some(Verdict { fate, loss });
            }
            End::Rejected { why } => {
                self.keep(batch, RejectReason::Permanent, &why).await;
                let reason = LossReason::Rejected(RejectReason::Permanent);
                (rejected(items), reason, why)
            }
            End::TooLarge { why, .. } => {
                self.keep(batch, RejectReason::TooLarge, &why).await;
                let reason = LossReason::Rejected(RejectReason::TooLarge);
                (rejected(items), reason, why)
            }
            End::Dropped { reason, why } => {
                let fate = Fate {
                    dropped: items as u64,
                    ..Fate::default()
                };
                (fate, LossReason::Dropped(reason), why)
            }
            End::Parked { .. } | End::Moved { .. } => return None,
        };
        let loss = Some(Loss { items, reason, why });
        Some(Verdict { fate, loss })
    }

    /// All `items` at `origin` are at their end.
    pub(super) fn close(&self, origin: &Origin, items: usize, verdicts: Vec<Verdict>) {
        let mut fate = Fate::default();
        verdicts.iter().for_each(|verdict| fate += verdict.fate);
        self.blocks.settle(self.reader, origin, items, fate);
        self.metrics().delivered.increment(fate.delivered);
        self.metrics().handed_over.increment(fate.handed_over);
        for Loss { items, reason, why } in verdicts.into_iter().filter_map(|v| v.loss) {
            match reason {
                LossReason::Rejected(reason) => self.tell_rejected(reason, items, &why),
                LossReason::Dropped(reason) => self.tell_dropped(reason, items as u64, &why),
            }
        }
    }

    /// Keeps what is rejected for a look, before it is settled.
    async fn keep(&self, batch: &Batch, reason: RejectReason, why: &str) {
        if let Some(letters) = &self.dead_letters {
            let meta = Meta::now(
                self.blocks.signal,
                &self.pipeline,
                &self.exporter,
                reason.name(),
                why,
            );
            letters.put(meta, batch).await;
        }
    }
}

fn rejected(items: usize) -> Fate {
    Fate {
        rejected: items as u64,
        ..Fate::default()
    }
}
