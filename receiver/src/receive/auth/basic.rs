//! Users and passwords, as `htpasswd` writes them.

use super::{AuthFault, read, same};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use penstock_settings::{Htpasswd, PasswordHash};
use ring::{digest, hmac, rand};
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;

/// Credentials that are remembered to be right; a mesh has few.
const REMEMBERED: usize = 1024;
/// What a user that nobody is costs, so that an answer's time does not tell who is one: bcrypt's usual cost.
const USUAL_COST: u32 = 10;

/// Those who may send.
#[derive(Debug)]
pub(super) struct Users {
    file: Option<PathBuf>,
    inline: String,
    key: hmac::Key,
    state: Mutex<State>,
    /// Passwords that are hashed at a time.
    hashing: Semaphore,
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
        let inline = settings.inline.as_ref().map(|inline| inline.expose());
        let users = Self {
            file: settings.file.clone(),
            inline: inline.unwrap_or_default().to_owned(),
            key: key.map_err(|ring::error::Unspecified| AuthFault::Content {
                path: settings.file.clone().unwrap_or_default(),
                message: "the system gives no random numbers".to_owned(),
            })?,
            state: Mutex::default(),
            hashing: Semaphore::new(1),
        };
        users.look()?;
        Ok(users)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn know(&self, given: &[u8]) -> bool {
        let digest = hmac::sign(&self.key, given).as_ref().to_vec();
        if self.state().right.contains(&digest) {
            return true;
        }
        let Some((user, password)) = parts(given) else {
            return false;
        };
        let Ok(_alone) = self.hashing.acquire().await else {
            return false;
        };
        let users = {
            let state = self.state();
            // Another call of the same sender may have found it out meanwhile.
            if state.right.contains(&digest) {
                return true;
            }
            Arc::clone(&state.users)
        };
        let known = Arc::clone(&users);
        let checked = tokio::task::spawn_blocking(move || is_right(known.get(&user), &password));
        let right = checked.await.unwrap_or(false);
        let mut state = self.state();
        // Not if the users are others by now.
        if right && Arc::ptr_eq(&users, &state.users) {
            if state.right.len() >= REMEMBERED {
                state.right.clear();
            }
            state.right.insert(digest);
        }
        right
    }

    pub(super) fn look(&self) -> Result<bool, AuthFault> {
        let mut lines = match &self.file {
            Some(path) => read(path)?,
            None => String::new(),
        };
        lines.push('\n');
        lines.push_str(&self.inline);
        let found = Htpasswd::users(&lines).map_err(|message| AuthFault::Content {
            path: self.file.clone().unwrap_or_default(),
            message,
        })?;
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
        None => {
            let _as_long = bcrypt::hash(password, USUAL_COST).is_ok();
            false
        }
    }
}
