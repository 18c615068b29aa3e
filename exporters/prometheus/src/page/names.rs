//! Names with any characters, for those who do not know such names.
//!
//! *Invariant:* what whoever scrapes has not asked for is never in a name.

use std::borrow::Cow;
use std::fmt::Write;

/// How whoever scrapes wants names of other than ASCII letters, digits and underscores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escaping {
    /// As they are.
    AllowUtf8,
    /// Underscores.
    Underscores,
    /// Underscores, and dots so that they can be found again.
    Dots,
    /// All of them so that they can be found again.
    Values,
}

impl Escaping {
    /// By its name in a header.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "allow-utf-8" => Self::AllowUtf8,
            "underscores" => Self::Underscores,
            "dots" => Self::Dots,
            "values" => Self::Values,
            _ => return None,
        })
    }

    /// Its name in a header.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AllowUtf8 => "allow-utf-8",
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }

    /// A metric's name.
    pub(crate) fn metric(self, name: &str) -> Cow<'_, str> {
        self.escaped(name, true)
    }

    /// A label's name.
    pub(crate) fn label(self, name: &str) -> Cow<'_, str> {
        self.escaped(name, false)
    }

    fn escaped(self, name: &str, colons: bool) -> Cow<'_, str> {
        let is_plain = is_plain(name, colons);
        // Dots change underscores too, so that both can be found again.
        if self == Self::AllowUtf8 || (is_plain && self != Self::Dots) {
            return Cow::Borrowed(name);
        }
        let mut out = String::with_capacity(name.len() + 8);
        if self == Self::Values {
            out.push_str("U__");
        }
        for (i, c) in name.chars().enumerate() {
            match self {
                Self::Dots if c == '.' => out.push_str("_dot_"),
                Self::Dots | Self::Values if c == '_' => out.push_str("__"),
                _ if is_plain_char(c, i == 0, colons) => out.push(c),
                Self::Dots => out.push_str("__"),
                Self::Values => _ = write!(out, "_{:x}_", u32::from(c)),
                Self::Underscores | Self::AllowUtf8 => out.push('_'),
            }
        }
        Cow::Owned(out)
    }
}

/// Whether every version of Prometheus takes the name as it is.
pub(super) fn is_plain(name: &str, colons: bool) -> bool {
    let mut chars = name.chars().enumerate();
    !name.is_empty() && chars.all(|(i, c)| is_plain_char(c, i == 0, colons))
}

fn is_plain_char(c: char, first: bool, colons: bool) -> bool {
    c.is_ascii_alphabetic() || c == '_' || (colons && c == ':') || (!first && c.is_ascii_digit())
}
