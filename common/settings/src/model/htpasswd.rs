//! Users and passwords, as Apache's `htpasswd` and its like write them.
//!
//! *Invariant:* what is wrong with a line is told by its number, never by its text.

use super::Secret;
use std::path::PathBuf;

#[cfg(test)]
mod tests;

/// Users and what their passwords hash to: lines of `user:hash`, those of the file first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Htpasswd {
    /// A file of such lines.
    pub file: Option<PathBuf>,
    /// Such lines in the configuration.
    pub inline: Option<Secret>,
}

/// What a password is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordHash {
    /// `$2a$`, `$2b$` or `$2y$`.
    Bcrypt(Secret),
    /// `$apr1$`, which `htpasswd` makes unless it is told otherwise, or `$1$`.
    Md5Crypt(Secret),
    /// `$5$` or `$6$`: SHA-256 and SHA-512, many times.
    ShaCrypt(Secret),
    /// `{SHA}` and the SHA-1 in base64: without salt, as fast to guess as to check.
    Sha1(Secret),
    /// `{SSHA}` and, in base64, the SHA-1 of password and salt, and the salt.
    SaltedSha1(Secret),
    /// The password itself, with or without `{PLAIN}`.
    Plain(Secret),
}

/// A kind of hash: how it begins, whether the rest is whole, and what it is.
type Kind = (&'static str, fn(&str) -> bool, fn(Secret) -> PasswordHash);

const KINDS: [Kind; 10] = [
    ("$2a$", is_bcrypt, PasswordHash::Bcrypt),
    ("$2b$", is_bcrypt, PasswordHash::Bcrypt),
    ("$2y$", is_bcrypt, PasswordHash::Bcrypt),
    ("$apr1$", is_md5, PasswordHash::Md5Crypt),
    ("$1$", is_md5, PasswordHash::Md5Crypt),
    ("$5$", |rest| is_sha_crypt(rest, 43), PasswordHash::ShaCrypt),
    ("$6$", |rest| is_sha_crypt(rest, 86), PasswordHash::ShaCrypt),
    ("{SHA}", |rest| rest.len() == 28, PasswordHash::Sha1),
    ("{SSHA}", |rest| rest.len() >= 28, PasswordHash::SaltedSha1),
    ("{PLAIN}", |rest| !rest.is_empty(), PasswordHash::Plain),
];

/// A cost, `$`, and what follows it.
fn is_bcrypt(rest: &str) -> bool {
    let cost = rest.split_once('$').map(|(cost, _)| cost.parse::<u32>());
    rest.len() == 56 && cost.is_some_and(|cost| cost.is_ok_and(|cost| (4..=31).contains(&cost)))
}

fn is_md5(rest: &str) -> bool {
    rest.split_once('$')
        .is_some_and(|(_, hash)| hash.len() == 22)
}

/// A salt and a hash so long, behind rounds of their own or not.
fn is_sha_crypt(rest: &str, length: usize) -> bool {
    let own = rest
        .strip_prefix("rounds=")
        .map(|rest| rest.split_once('$'));
    let rest = match own {
        Some(Some((rounds, rest))) if rounds.parse::<u32>().is_ok_and(|rounds| rounds >= 1000) => {
            rest
        }
        Some(_) => return false,
        None => rest,
    };
    rest.split_once('$')
        .is_some_and(|(_, hash)| hash.len() == length)
}

impl Htpasswd {
    /// Users and hashes of lines of `user:hash`; empty lines and those that begin with `#` say nothing.
    ///
    /// # Errors
    /// What is wrong with which line, without its text.
    pub fn users(lines: &str) -> Result<Vec<(String, PasswordHash)>, String> {
        let mut users = Vec::new();
        for (number, line) in (1..).zip(lines.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let user = line.split_once(':').filter(|(user, _)| !user.is_empty());
            let Some((user, hash)) = user else {
                return Err(format!("line {number} is not `user:hash`"));
            };
            let hash = PasswordHash::new(hash)
                .map_err(|message| format!("line {number} has {message}"))?;
            users.push((user.to_owned(), hash));
        }
        Ok(users)
    }
}

impl PasswordHash {
    fn new(hash: &str) -> Result<Self, &'static str> {
        if hash.is_empty() {
            return Err("no password");
        }
        let kind = KINDS
            .iter()
            .find_map(|(begin, is_whole, kind)| Some((hash.strip_prefix(begin)?, is_whole, kind)));
        match kind {
            Some((rest, is_whole, _)) if !is_whole(rest) => {
                Err("a hash that is not whole: it is cut off, or a dollar sign of it is missing")
            }
            // What crypt(3) made begins with what says how.
            Some((_, _, kind)) if hash.starts_with('$') => Ok(kind(Secret::new(hash.to_owned()))),
            Some((rest, _, kind)) => Ok(kind(Secret::new(rest.to_owned()))),
            None if hash.starts_with(['$', '{']) => Err(
                "a kind of hash that is not available; make it with bcrypt, as htpasswd -B does",
            ),
            None => Ok(Self::Plain(Secret::new(hash.to_owned()))),
        }
    }
}
