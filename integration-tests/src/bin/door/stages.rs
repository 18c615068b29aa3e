//! What is behind the doors, the same for both.

use crate::forward::Forward;
use bytes::Bytes;
use penstock_otlp::{Signal, check::check};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Size of a block, the receiver's default.
const BLOCK: usize = 1 << 20;

/// What is done to a message.
pub(crate) enum Behind {
    Nothing,
    /// Checked, and copied into the block.
    Append(Mutex<Vec<u8>>),
    Forward(Arc<Forward>),
}

/// That, with counts.
pub(crate) struct Stages {
    behind: Behind,
    calls: AtomicU64,
    items: AtomicU64,
}

impl Stages {
    pub(crate) fn new(behind: Behind) -> Self {
        Self {
            behind,
            calls: AtomicU64::new(0),
            items: AtomicU64::new(0),
        }
    }

    /// Takes a message; `false` if it is no request of its signal.
    pub(crate) async fn take(&self, signal: Signal, message: Bytes) -> bool {
        self.calls.fetch_add(1, Ordering::Relaxed);
        match &self.behind {
            Behind::Nothing => true,
            Behind::Append(block) => self.append(block, signal, message),
            Behind::Forward(forward) => {
                forward.take(signal, &message).await;
                true
            }
        }
    }

    fn append(&self, block: &Mutex<Vec<u8>>, signal: Signal, message: Bytes) -> bool {
        let Ok(checked) = check(signal, message) else {
            return false;
        };
        self.items
            .fetch_add(checked.items as u64, Ordering::Relaxed);
        let mut block = block.lock().unwrap_or_else(PoisonError::into_inner);
        if block.len() + checked.body.len() > BLOCK {
            // Sent on, as it were.
            *block = Vec::with_capacity(BLOCK);
        }
        block.extend_from_slice(&checked.body);
        true
    }

    /// The last words.
    pub(crate) fn closed(&self) -> Value {
        let told = |count: &AtomicU64| count.load(Ordering::Relaxed);
        json!({"message": "door closed", "calls": told(&self.calls), "items": told(&self.items)})
    }
}
