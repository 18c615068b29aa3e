//! Bearer tokens, from the configuration or a file that may change.

use super::{AuthFault, read, same};
use penstock_settings::{BearerTokens, Secret, Tokens};
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

/// Tokens, of which a sender must have one.
#[derive(Debug)]
pub(crate) struct Bearer {
    header: String,
    scheme: String,
    file: Option<PathBuf>,
    tokens: RwLock<Vec<Secret>>,
}

impl Bearer {
    pub(crate) fn new(settings: &BearerTokens) -> Result<Self, AuthFault> {
        let (file, tokens) = match &settings.tokens {
            Tokens::Fixed(tokens) => (None, tokens.clone()),
            Tokens::File(path) => (Some(path.clone()), Vec::new()),
        };
        let bearer = Self {
            header: settings.header.clone(),
            scheme: settings.scheme.clone(),
            file,
            tokens: RwLock::new(tokens),
        };
        bearer.look()?;
        Ok(bearer)
    }

    pub(crate) fn header(&self) -> &str {
        &self.header
    }

    /// Every token is compared, whichever it is.
    pub(crate) fn knows(&self, given: &[u8]) -> bool {
        let Some(token) = self.without_scheme(given) else {
            return false;
        };
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let compared = tokens
            .iter()
            .map(|known| same(token, known.expose().as_bytes()));
        compared.fold(false, |found, same| found | same)
    }

    fn without_scheme<'g>(&self, given: &'g [u8]) -> Option<&'g [u8]> {
        if self.scheme.is_empty() {
            return Some(given);
        }
        let (scheme, rest) = given.split_at_checked(self.scheme.len())?;
        let token = rest.strip_prefix(b" ")?;
        scheme
            .eq_ignore_ascii_case(self.scheme.as_bytes())
            .then(|| token.trim_ascii())
    }

    pub(crate) fn look(&self) -> Result<bool, AuthFault> {
        let Some(path) = &self.file else {
            return Ok(false);
        };
        let text = read(path)?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let found: Vec<_> = lines.map(|line| Secret::new(line.to_owned())).collect();
        if found.is_empty() {
            return Err(AuthFault::Content {
                path: path.clone(),
                message: "no token in it".to_owned(),
            });
        }
        let mut tokens = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        let changed = *tokens != found;
        *tokens = found;
        Ok(changed)
    }
}
