//! Replicas of an exporter that keeps something of every Resource: what one keeps moves to the one that needs it, and any of
//! them can tell the whole.
//!
//! Nothing has to agree on who owns what: whoever gets data of a Resource that it keeps nothing of *claims* it first, and
//! whoever kept something gives it away. A replica that stops gives all it keeps to the others.
//!
//! *Invariant:* what is kept is moved and never copied: a part of it is kept by one replica or, when it is lost on the way, by
//! none. [`Replicas::gather`] counts no part twice, even when it moves meanwhile: whoever takes a part in remembers its id.

mod parts;
mod wire;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use futures_util::future::join_all;
use parts::{Parts, hidden};
use penstock_hop::{Owner, Owners, Siblings};
use penstock_runtime::Tasks;
use penstock_settings::{Exporter, Hop};
use penstock_tls::TlsFault;
use prost::Message;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use wire::{Keys, Piece, Pieces};

/// How long whoever claims waits for those who may keep something. Data waits for it, so it is short.
const CLAIM_LIMIT: Duration = Duration::from_secs(1);
/// Largest answer: all that one replica keeps.
const MAX_ANSWER: usize = 1 << 30;
/// Largest message in which pieces are given away; one piece alone may be larger.
const MAX_GIVEN: usize = 16 << 20;

/// What an exporter keeps, by the keys of Resources ([`penstock_hop::Owners::index_of`] takes the same keys).
pub trait Keeper: Send + Sync + 'static {
    /// What is kept of one Resource, or a view of it as it is now: cheap to have, as data waits meanwhile.
    type Kept: Send;

    /// Whether something is kept of this Resource.
    fn keeps(&self, key: u64) -> bool;

    /// All that is kept.
    fn all(&self) -> Vec<(u64, Self::Kept)>;

    /// What is kept of these Resources, which are kept no longer; those of which nothing is kept are left out.
    fn take(&self, keys: &[u64]) -> Vec<(u64, Self::Kept)>;

    /// Adds to what is kept of a Resource: what was accumulated adds up, of what is only known the newest counts.
    fn add(&self, key: u64, kept: Bytes);

    /// As another replica's [`Keeper::add`] reads it.
    fn encode(kept: &Self::Kept) -> Bytes;
}

/// The way to other replicas: the hop, or a stand-in in tests.
pub trait Network: Send + Sync + 'static {
    /// All replicas that are known, this one too.
    fn all(&self) -> Owners;

    /// Calls `name` at one of them.
    fn call(
        &self,
        replica: &Owner,
        name: &'static str,
        message: Bytes,
        limit: Duration,
    ) -> impl Future<Output = Result<Bytes, String>> + Send;
}

impl Network for Siblings {
    fn all(&self) -> Owners {
        Self::all(self)
    }

    async fn call(
        &self,
        replica: &Owner,
        name: &'static str,
        message: Bytes,
        limit: Duration,
    ) -> Result<Bytes, String> {
        Self::call(self, replica, name, message, limit).await
    }
}

const TAKE: &str = "Take";
const ALL: &str = "All";
const GIVE: &str = "Give";
const WHO: &str = "Who";

/// One replica among the others.
#[derive(Debug)]
pub struct Replicas<K, N = Siblings> {
    keeper: Arc<K>,
    network: N,
    /// Tells this process from all others, whatever address it is called at.
    instance: u64,
    parts: Mutex<Parts>,
    claiming: tokio::sync::Mutex<()>,
}

/// What all replicas keep together. A key may occur more than once, each time with another part.
#[derive(Debug)]
pub struct Gathered<T> {
    /// Key and what is kept of it here.
    pub own: Vec<(u64, T)>,
    /// The same of other replicas, encoded.
    pub others: Vec<(u64, Bytes)>,
    /// Every other replica that is known, and whether it has told.
    pub siblings: Vec<(String, bool)>,
}

impl<K: Keeper> Replicas<K> {
    /// The replicas of `exporter` as its own settings name them.
    ///
    /// # Errors
    /// `hop.tls` cannot be used.
    pub fn new(
        keeper: Arc<K>,
        exporter: &Exporter,
        hop: &Hop,
        tasks: &Tasks,
    ) -> Result<Self, TlsFault> {
        let siblings = Siblings::new(exporter, hop, MAX_ANSWER, tasks)?;
        Ok(Self::over(keeper, siblings))
    }
}

impl<K: Keeper, N: Network> Replicas<K, N> {
    /// The same over another network.
    #[must_use]
    pub fn over(keeper: Arc<K>, network: N) -> Self {
        Self {
            keeper,
            network,
            instance: fastrand::u64(1..),
            parts: Mutex::default(),
            claiming: tokio::sync::Mutex::new(()),
        }
    }

    /// Before data of these Resources is taken in: what others keep of those that nothing is kept of here comes here. A
    /// replica that cannot be asked keeps what it keeps.
    ///
    /// # Cancel safety
    /// What was on its way here is lost.
    pub async fn claim(&self, keys: &[u64]) {
        let unknown = |keys: &[u64]| -> Vec<u64> {
            let keys = keys.iter().copied();
            keys.filter(|key| !self.keeper.keeps(*key)).collect()
        };
        if unknown(keys).is_empty() {
            return;
        }
        let _one_at_a_time = self.claiming.lock().await;
        let keys = unknown(keys);
        if keys.is_empty() {
            return;
        }
        let message = Bytes::from(Keys { keys }.encode_to_vec());
        let all = self.network.all();
        let answers = all.list().iter().map(|replica| {
            let call = self
                .network
                .call(replica, TAKE, message.clone(), CLAIM_LIMIT);
            async move { (replica, call.await) }
        });
        for (replica, answer) in join_all(answers).await {
            match self.pieces(answer) {
                Ok(pieces) => pieces.into_iter().for_each(|piece| self.add(piece)),
                Err(error) => {
                    tracing::debug!(error, replica = replica.address(), "replica not asked");
                }
            }
        }
    }

    /// What all replicas keep, as far as they tell it within `limit`.
    ///
    /// # Cancel safety
    /// Nothing has changed.
    pub async fn gather(&self, limit: Duration) -> Gathered<K::Kept> {
        let all = self.network.all();
        let answers = all.list().iter().map(|replica| {
            let call = self.network.call(replica, ALL, Bytes::new(), limit);
            async move { (replica, call.await) }
        });
        let mut pieces = Vec::new();
        let mut siblings = Vec::new();
        for (replica, answer) in join_all(answers).await {
            let is_here = answer.as_ref().is_ok_and(|answer| self.is_own(answer));
            if is_here {
                continue;
            }
            let found = self.pieces(answer);
            siblings.push((replica.address().to_owned(), found.is_ok()));
            pieces.extend(found.into_iter().flatten());
        }
        // Last, so that what has come here meanwhile is known to have been there.
        let own = self.own();
        let hidden = hidden(pieces.iter().chain(own.iter().map(|(piece, _)| piece)));
        let is_shown = |piece: &Piece| !hidden.contains(&piece.part);
        let own = own.into_iter().filter(|(piece, _)| is_shown(piece));
        let others = pieces.into_iter().filter(is_shown);
        Gathered {
            own: own.map(|(piece, kept)| (piece.key, kept)).collect(),
            others: others.map(|piece| (piece.key, piece.kept)).collect(),
            siblings,
        }
    }

    /// Gives all that is kept to the other replicas, each Resource's to the one that will own it.
    ///
    /// # Cancel safety
    /// What is on its way is lost.
    pub async fn hand_over(&self, limit: Duration) {
        let all = self.network.all();
        let asked = all.list().iter().map(|replica| {
            let call = self.network.call(replica, WHO, Bytes::new(), limit / 4);
            async move { (replica, call.await) }
        });
        let answered = join_all(asked).await;
        let others = answered
            .iter()
            .filter(|(_, answer)| {
                self.pieces(answer.clone()).is_ok()
                    && !answer.as_ref().is_ok_and(|a| self.is_own(a))
            })
            .map(|(replica, _)| replica.address());
        let heirs = Owners::new(others);
        if heirs.list().is_empty() {
            return;
        }
        let keys: Vec<u64> = self.keeper.all().into_iter().map(|(key, _)| key).collect();
        let mut shares: HashMap<usize, Vec<Piece>> = HashMap::new();
        for piece in self.give_away(&keys) {
            let heir = heirs.index_of(piece.key).unwrap_or_default();
            shares.entry(heir).or_default().push(piece);
        }
        let given = shares.into_iter().map(|(heir, pieces)| {
            let heir = &heirs.list()[heir];
            async move {
                for message in wire::cut(self.instance, pieces, MAX_GIVEN) {
                    if let Err(error) = self.network.call(heir, GIVE, message, limit).await {
                        tracing::warn!(error, replica = heir.address(), "state not handed over");
                    }
                }
            }
        });
        join_all(given).await;
    }

    /// Answers another replica; `None` when it asks for what there is not.
    #[must_use]
    pub fn answer(&self, name: &str, message: &Bytes) -> Option<Bytes> {
        let pieces = match name {
            TAKE => self.give_away(&Keys::decode(message.clone()).ok()?.keys),
            ALL => self.own().into_iter().map(Self::encoded).collect(),
            WHO => Vec::new(),
            GIVE => {
                let given = Pieces::decode(message.clone()).ok()?;
                given.pieces.into_iter().for_each(|piece| self.add(piece));
                Vec::new()
            }
            _ => return None,
        };
        let instance = self.instance;
        Some(Pieces { instance, pieces }.encode_to_vec().into())
    }

    /// Replicas ask themselves too, as they do not know which one they are.
    fn is_own(&self, answer: &Bytes) -> bool {
        Pieces::decode(answer.clone()).is_ok_and(|answer| answer.instance == self.instance)
    }

    fn pieces(&self, answer: Result<Bytes, String>) -> Result<Vec<Piece>, String> {
        let answer = Pieces::decode(answer?).map_err(|error| error.to_string())?;
        if answer.instance == 0 {
            return Err("it is no replica".to_owned());
        }
        Ok(answer.pieces)
    }

    fn own(&self) -> Vec<(Piece, K::Kept)> {
        // Nothing is given away between what is kept and what it is called.
        let mut parts = self.lock();
        let kept = self.keeper.all();
        parts.retain(|key| self.keeper.keeps(key));
        let piece = |(key, kept)| (parts.piece(key), kept);
        kept.into_iter().map(piece).collect()
    }

    fn give_away(&self, keys: &[u64]) -> Vec<Piece> {
        let given: Vec<_> = {
            let mut parts = self.lock();
            let taken = self.keeper.take(keys).into_iter();
            taken.map(|(key, kept)| (parts.give(key), kept)).collect()
        };
        given.into_iter().map(Self::encoded).collect()
    }

    fn encoded((piece, kept): (Piece, K::Kept)) -> Piece {
        Piece {
            kept: K::encode(&kept),
            ..piece
        }
    }

    fn add(&self, piece: Piece) {
        let mut parts = self.lock();
        parts.take_in(&piece);
        self.keeper.add(piece.key, piece.kept);
    }

    fn lock(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
