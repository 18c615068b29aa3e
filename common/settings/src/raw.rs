//! The file's own shape: one strict struct per component, every field optional, no defaults and no meaning.
//!
//! Keys of the Collector that are known and have no effect here, or are not available, are not fields: they stand in
//! the component's list of [`Note`]s with a reason, and are taken out and reported before the struct is read. So do fields
//! that mean something else here.

pub(crate) mod auth;
pub(crate) mod common;
pub(crate) mod exporters;
pub(crate) mod extensions;
pub(crate) mod penstock;
pub(crate) mod processors;
pub(crate) mod prometheus;
pub(crate) mod receiver;
pub(crate) mod remote_write;
pub(crate) mod service;
pub(crate) mod tls;

#[cfg(test)]
mod tests;

/// What becomes of a key that is not a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// A warning with the reason why it has no effect.
    Ignored(&'static str),
    /// An error with what to do.
    Unavailable(&'static str),
    /// A field all the same, with a note on what it means here.
    Differs(&'static str),
}

/// A key of the Collector that is known here without being a field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Note {
    /// Dotted path below the component.
    pub(crate) path: &'static str,
    /// The value that says what happens anyway, and so needs no word.
    pub(crate) usual: Option<&'static str>,
    /// What becomes of it.
    pub(crate) fate: Fate,
}

/// A key with a warning.
pub(crate) const fn ignored(path: &'static str, reason: &'static str) -> Note {
    Note {
        path,
        usual: None,
        fate: Fate::Ignored(reason),
    }
}

/// A key with a warning unless it has its usual value.
pub(crate) const fn ignored_but(
    path: &'static str,
    usual: &'static str,
    reason: &'static str,
) -> Note {
    Note {
        path,
        usual: Some(usual),
        fate: Fate::Ignored(reason),
    }
}

/// A key with an error.
pub(crate) const fn unavailable(path: &'static str, remedy: &'static str) -> Note {
    Note {
        path,
        usual: None,
        fate: Fate::Unavailable(remedy),
    }
}

/// A key with an error unless it has its usual value.
pub(crate) const fn unavailable_but(
    path: &'static str,
    usual: &'static str,
    remedy: &'static str,
) -> Note {
    Note {
        path,
        usual: Some(usual),
        fate: Fate::Unavailable(remedy),
    }
}

/// A field with a note.
pub(crate) const fn differs(path: &'static str, meaning: &'static str) -> Note {
    Note {
        path,
        usual: None,
        fate: Fate::Differs(meaning),
    }
}
