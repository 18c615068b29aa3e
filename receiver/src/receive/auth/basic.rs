//! Users and passwords, as `htpasswd` writes them.

use super::{AuthFault, Denied, read, same};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use penstock_settings::{Htpasswd, PasswordHash, Secret};
use ring::{digest, hmac, rand};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;

#[cfg(test)]
mod tests;

/// Credentials that are remembered to be right; a mesh has few.
const REMEMBERED: usize = 1024;
/// Passwords that wait to be hashed; what comes beyond them is told to come again.
const WAITING: usize = 32;
/// What a check costs when no password here is kept by bcrypt: nothing.
const NO_COST: u32 = 0;

/// Those who may send.
#[derive(Debug)]
pub(super) struct Users {
    file: Option<PathBuf>,
    inline: Option<Secret>,
    key: hmac::Key,
    state: Mutex<State>,
    /// One password is hashed at a time. The permit goes with the work: a call that is cut off does not let the next one begin.
    hashing: Arc<Semaphore>,
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    users: Arc<BTreeMap<String, PasswordHash>>,
    /// Digests of credentials that are right.
    right: HashSet<Vec<u8>>,
}

impl Users {
    pub(super) fn new(settings: &Htpasswd) -> Result<Self, AuthFault> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &rand::SystemRandom::new());
        let users = Self {
            file: settings.file.clone(),
            inline: settings.inline.clone(),
            key: key.map_err(|ring::error::Unspecified| AuthFault::Random)?,
            state: Mutex::default(),
            hashing: Arc::new(Semaphore::new(1)),
            waiting: AtomicUsize::new(0),
        };
        users.look()?;
        Ok(users)
    }

    #[cfg(test)]
    pub(super) fn hashing_now(&self) -> usize {
        1 - self.hashing.available_permits()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn know(&self, given: &[u8]) -> Result<(), Denied> {
        let digest = hmac::sign(&self.key, given).as_ref().to_vec();
        if self.state().right.contains(&digest) {
            return Ok(());
        }
        let (user, password) = parts(given).ok_or(Denied::Wrong)?;
        let waits = Waits::new(&self.waiting).ok_or(Denied::Busy)?;
        let alone = Arc::clone(&self.hashing).acquire_owned().await;
        let alone = alone.map_err(|_closed| Denied::Busy)?;
        drop(waits);
        let users = {
            let state = self.state();
            // Another call of the same sender may have found it out meanwhile.
            if state.right.contains(&digest) {
                return Ok(());
            }
            Arc::clone(&state.users)
        };
        let known = Arc::clone(&users);
        let checked = tokio::task::spawn_blocking(move || {
            let right = is_right(known.get(&user), &password);
            if !right {
                as_long_as(&known, known.get(&user), &password);
            }
            drop(alone);
            right
        });
        let right = checked.await.unwrap_or(false);
        let mut state = self.state();
        // Not if the users are others by now.
        if right && Arc::ptr_eq(&users, &state.users) {
            if state.right.len() >= REMEMBERED {
                state.right.clear();
            }
            state.right.insert(digest);
        }
        if right { Ok(()) } else { Err(Denied::Wrong) }
    }

    pub(super) fn look(&self) -> Result<bool, AuthFault> {
        let mut found = Vec::new();
        if let Some(path) = &self.file {
            found.extend(users(path, &read(path)?)?);
        }
        if let Some(inline) = &self.inline {
            found.extend(users(Path::new("htpasswd.inline"), inline.expose())?);
        }
        // Of two lines of one user the later holds.
        let found: BTreeMap<_, _> = found.into_iter().collect();
        let mut state = self.state();
        let changed = *state.users != found;
        if changed {
            *state = State {
                users: Arc::new(found),
                right: HashSet::new(),
            };
        }
        Ok(changed)
    }
}

/// A file that is being written is empty for a moment, and must not lock everybody out.
fn users(place: &Path, lines: &str) -> Result<Vec<(String, PasswordHash)>, AuthFault> {
    let found = Htpasswd::users(lines).and_then(|found| match found.is_empty() {
        true => Err("no user in it".to_owned()),
        false => Ok(found),
    });
    found.map_err(|message| AuthFault::Content {
        path: place.to_owned(),
        message,
    })
}

/// A place among those that wait.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn new(waiting: &'a AtomicUsize) -> Option<Self> {
        let waits = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < WAITING).then_some(waits)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// User and password of `Basic ...`.
fn parts(given: &[u8]) -> Option<(String, String)> {
    let (scheme, rest) = given.split_at_checked(5)?;
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let text = STANDARD.decode(rest.trim_ascii()).ok()?;
    let text = String::from_utf8(text).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn is_right(hash: Option<&PasswordHash>, password: &str) -> bool {
    match hash {
        Some(PasswordHash::Bcrypt(hash)) => {
            bcrypt::verify(password, hash.expose()).unwrap_or(false)
        }
        Some(PasswordHash::Sha1(hash)) => {
            let sha1 = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
            same(STANDARD.encode(sha1).as_bytes(), hash.expose().as_bytes())
        }
        Some(PasswordHash::Plain(known)) => same(password.as_bytes(), known.expose().as_bytes()),
        None => false,
    }
}

/// Makes a refusal cost as much as the dearest hash here, so that its time does not tell whether there is such a user, or how
/// its password is kept.
fn as_long_as(users: &BTreeMap<String, PasswordHash>, hash: Option<&PasswordHash>, password: &str) {
    let dearest = users.values().map(cost).max().unwrap_or(NO_COST);
    if hash.map_or(NO_COST, cost) < dearest {
        let _as_long = bcrypt::hash(password, dearest).is_ok();
    }
}

/// bcrypt's cost, which stands after its kind: `$2b$12$`.
fn cost(hash: &PasswordHash) -> u32 {
    match hash {
        PasswordHash::Bcrypt(hash) => {
            let cost = hash.expose().split('$').nth(2);
            cost.and_then(|cost| cost.parse().ok()).unwrap_or(NO_COST)
        }
        PasswordHash::Sha1(_) | PasswordHash::Plain(_) => NO_COST,
    }
}
