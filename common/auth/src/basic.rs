//! Users and passwords, as `htpasswd` writes them.

use super::{AuthFault, Denied, md5_crypt, read, same};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use penstock_settings::{Htpasswd, PasswordHash, Secret};
use ring::{digest, hmac, rand};
use sha_crypt::{Params, PasswordHashRef, PasswordVerifier, ShaCrypt};
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
/// What a check costs when no password here is kept by what is made to be slow: nothing.
const NO_COST: u64 = 0;
/// One of the rounds of bcrypt, of which there are two to the power of its cost.
const BCRYPT_ROUND: u64 = 60;
/// The greatest cost that bcrypt has.
const MAX_BCRYPT: u32 = 31;
/// Longer ones `crypt(3)` does not take either: what they cost grows with the square of their length.
const MAX_CRYPT: usize = 511;

/// Those who may send.
#[derive(Debug)]
pub(crate) struct Users {
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
    pub(crate) fn new(settings: &Htpasswd) -> Result<Self, AuthFault> {
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
    pub(crate) fn hashing_now(&self) -> usize {
        1 - self.hashing.available_permits()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn know(&self, given: &[u8]) -> Result<(), Denied> {
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

    pub(crate) fn look(&self) -> Result<bool, AuthFault> {
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
    let short = password.len() <= MAX_CRYPT;
    match hash {
        Some(PasswordHash::Bcrypt(hash)) => {
            bcrypt::verify(password, hash.expose()).unwrap_or(false)
        }
        Some(PasswordHash::Md5Crypt(hash)) => {
            short && md5_crypt::is_right(hash.expose(), password.as_bytes())
        }
        Some(PasswordHash::ShaCrypt(hash)) => {
            let hash = PasswordHashRef::new(hash.expose());
            let verify = |hash| ShaCrypt::default().verify_password(password.as_bytes(), hash);
            short && hash.is_ok_and(|hash| verify(hash).is_ok())
        }
        Some(PasswordHash::Sha1(hash)) => {
            let sha1 = sha1(&[password.as_bytes()]);
            same(STANDARD.encode(sha1).as_bytes(), hash.expose().as_bytes())
        }
        Some(PasswordHash::SaltedSha1(hash)) => {
            let known = STANDARD.decode(hash.expose()).unwrap_or_default();
            let known = known.split_at_checked(digest::SHA1_OUTPUT_LEN);
            known.is_some_and(|(known, salt)| {
                same(sha1(&[password.as_bytes(), salt]).as_ref(), known)
            })
        }
        Some(PasswordHash::Plain(known)) => same(password.as_bytes(), known.expose().as_bytes()),
        None => false,
    }
}

fn sha1(parts: &[&[u8]]) -> digest::Digest {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    parts.iter().for_each(|part| context.update(part));
    context.finish()
}

/// Makes a refusal cost as much as the dearest hash here, so that its time does not tell whether there is such a user, or how
/// its password is kept.
fn as_long_as(users: &BTreeMap<String, PasswordHash>, hash: Option<&PasswordHash>, password: &str) {
    let dearest = users.values().max_by_key(|hash| cost(hash));
    if hash.map_or(NO_COST, cost) < dearest.map_or(NO_COST, cost) {
        let _as_long = is_right(dearest, password);
    }
}

/// What a check costs: about a microsecond each, which only has to tell which of two is dearer.
fn cost(hash: &PasswordHash) -> u64 {
    match hash {
        // The cost stands after the kind, `$2b$12$`, and is a power of two.
        PasswordHash::Bcrypt(hash) => {
            let cost = hash.expose().split('$').nth(2);
            let cost: Option<u32> = cost.and_then(|cost| cost.parse().ok());
            cost.map_or(NO_COST, |cost| BCRYPT_ROUND << cost.min(MAX_BCRYPT))
        }
        PasswordHash::Md5Crypt(_) => md5_crypt::ROUNDS,
        // `$5$rounds=10000$`, or no such thing.
        PasswordHash::ShaCrypt(hash) => {
            let rounds = hash.expose().split('$').nth(2);
            let rounds = rounds.and_then(|text| text.strip_prefix("rounds=")?.parse().ok());
            rounds.unwrap_or(u64::from(Params::RECOMMENDED_ROUNDS))
        }
        PasswordHash::Sha1(_) | PasswordHash::SaltedSha1(_) | PasswordHash::Plain(_) => NO_COST,
    }
}
