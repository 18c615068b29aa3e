//! What a side has made of its files, until they change.
//!
//! *Invariant:* only what could be made takes the place of what was there.

use crate::TlsFault;
use crate::pem::{Digests, Source, digests};
use crate::watch::Expiry;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// What rustls is given for new connections, and when the certificates in it end.
pub(crate) type Made<C> = (Arc<C>, Vec<Expiry>);

/// The last that could be made.
#[derive(Debug)]
pub(crate) struct Current<C>(RwLock<State<C>>);

#[derive(Debug)]
struct State<C> {
    made: Made<C>,
    digests: Digests,
}

impl<C> Current<C> {
    /// What was made of these sources.
    pub(crate) fn new(sources: &[&Source], made: Made<C>) -> Self {
        let digests = digests(sources);
        Self(RwLock::new(State { made, digests }))
    }

    pub(crate) fn config(&self) -> Arc<C> {
        Arc::clone(&self.read().made.0)
    }

    pub(crate) fn expiries(&self) -> Vec<Expiry> {
        self.read().made.1.clone()
    }

    /// Makes it again if the sources are others than before; says whether they were.
    pub(crate) fn renew(
        &self,
        sources: &[&Source],
        make: impl FnOnce() -> Result<Made<C>, TlsFault>,
    ) -> Result<bool, TlsFault> {
        let digests = digests(sources);
        if self.read().digests == digests {
            return Ok(false);
        }
        let made = make()?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = State { made, digests };
        Ok(true)
    }

    fn read(&self) -> RwLockReadGuard<'_, State<C>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}
