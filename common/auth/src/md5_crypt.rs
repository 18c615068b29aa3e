//! `$apr1$`, which Apache's `htpasswd` makes unless it is told otherwise, and `$1$`, which differs in nothing but its name.
//!
//! A thousand rounds of MD5, made to be slow in 1994. Nobody should choose it today, and many files have it.

use super::same;
use md5::{Digest, Md5};

#[cfg(test)]
mod tests;

/// How often MD5 is applied.
pub(crate) const ROUNDS: u64 = 1000;
/// What is used of a salt.
const MAX_SALT: usize = 8;
/// Which bytes of the digest go together, six bits a character.
const GROUPS: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];
const LAST: usize = 11;
const ZERO: &[u8] = &[0];
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Whether `hash`, whole as it stands in the file, is that of `password`.
pub(crate) fn is_right(hash: &str, password: &[u8]) -> bool {
    let kind = ["$apr1$", "$1$"]
        .into_iter()
        .find_map(|kind| Some((kind, hash.strip_prefix(kind)?)));
    let Some((kind, rest)) = kind else {
        return false;
    };
    let Some((salt, known)) = rest.split_once('$') else {
        return false;
    };
    let salt = salt.as_bytes();
    let digest = digest(password, kind.as_bytes(), &salt[..salt.len().min(MAX_SALT)]);
    same(&text(digest), known.as_bytes())
}

fn digest(password: &[u8], kind: &[u8], salt: &[u8]) -> [u8; 16] {
    let md5 = |parts: &[&[u8]]| -> [u8; 16] {
        let mut md5 = Md5::new();
        parts.iter().for_each(|part| md5.update(part));
        md5.finalize().into()
    };
    let other = md5(&[password, salt, password]);
    let mut first = vec![password, kind, salt];
    // As many bytes of it as the password has.
    first.extend(
        password
            .chunks(other.len())
            .map(|part| &other[..part.len()]),
    );
    // For each bit of the password's length a zero, or the password's first letter.
    let mut length = password.len();
    while length > 0 {
        first.push(if length & 1 == 1 {
            ZERO
        } else {
            &password[..1]
        });
        length >>= 1;
    }
    let mut last = md5(&first);
    for round in 0..ROUNDS {
        let mut parts: Vec<&[u8]> = Vec::with_capacity(4);
        let is_odd = round & 1 == 1;
        parts.push(if is_odd { password } else { &last });
        if round % 3 != 0 {
            parts.push(salt);
        }
        if round % 7 != 0 {
            parts.push(password);
        }
        parts.push(if is_odd { &last } else { password });
        last = md5(&parts);
    }
    last
}

fn text(digest: [u8; 16]) -> Vec<u8> {
    let bits = |bytes: [usize; 3]| {
        bytes
            .iter()
            .fold(0, |bits, byte| bits << 8 | usize::from(digest[*byte]))
    };
    let mut text = Vec::with_capacity(22);
    let mut put = |mut bits: usize, characters: usize| {
        for _ in 0..characters {
            text.push(ALPHABET[bits & 63]);
            bits >>= 6;
        }
    };
    for group in GROUPS {
        put(bits(group), 4);
    }
    put(usize::from(digest[LAST]), 2);
    text
}
