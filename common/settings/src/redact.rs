//! What is a secret in a configuration, and how it is hidden.
//!
//! A key says it by its name, or by standing below one that holds nothing else (`headers`); a URL by a user and a
//! password in it. Names of files are no secrets, whatever is in them.

#[cfg(test)]
mod tests;

/// What is shown instead of a secret.
pub(crate) const HIDDEN: &str = "[hidden]";

/// Whether the value of a key is a secret, or everything below it. `headers` are, as they are where tokens go.
pub(crate) fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    // A component whose name has the word; what is secret in it says so itself.
    if key.split('/').next() == Some("bearertokenauth") {
        return false;
    }
    if ["_file", "_files", "_path", "_directory", "_url", "_keys"]
        .iter()
        .any(|end| key.ends_with(end))
    {
        return false;
    }
    let whole = [
        "headers",
        "response_headers",
        "authorization",
        "cookie",
        "inline",
        "auth_header",
        "key",
        "credential",
    ];
    let parts = [
        "password",
        "passwd",
        "secret",
        "token",
        "credentials",
        "api_key",
        "apikey",
        "private_key",
        "access_key",
        "key_pem",
    ];
    whole.contains(&key.as_str()) || parts.iter().any(|part| key.contains(part))
}

/// Whether a key says of an element of a list of headers which header it is, as in `headers_setter`, and not what is in it.
pub(crate) fn names_header(key: &str) -> bool {
    ["action", "key", "name", "from_context", "from_attribute"].contains(&key)
}

/// Whether a dotted path goes through a key that holds a secret.
pub(crate) fn is_secret_path(path: &str) -> bool {
    path.split('.').any(is_secret)
}

/// A text without the user and the password of URLs in it.
pub(crate) fn urls(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        shown += before;
        let authority = after
            .find(|c: char| c.is_whitespace() || "/?#\"'`,".contains(c))
            .unwrap_or(after.len());
        rest = match after[..authority].rfind('@') {
            Some(at) => {
                shown += HIDDEN;
                &after[at..]
            }
            None => after,
        };
    }
    shown + rest
}

/// A message about a key: what it quotes of a secret is hidden.
pub(crate) fn message(key: &str, message: &str) -> String {
    let shown = urls(message);
    if !is_secret_path(key) {
        return shown;
    }
    let mut quoted = false;
    let parts = shown.split('`').map(|part| {
        let part = if quoted { HIDDEN } else { part };
        quoted = !quoted;
        part
    });
    parts.collect::<Vec<_>>().join("`")
}

/// A line of a file, of which `key` is what is said about it.
pub(crate) fn line(key: &str, line: &str) -> String {
    let shown = urls(line);
    // A list's element or a value over several lines does not say itself what it belongs to.
    let from = match shown.find(':') {
        None if is_secret_path(key) => Some(shown.len() - shown.trim_start().len()),
        Some(colon) if is_secret_path(key) => Some(colon + 1),
        _ => secret_in(&shown),
    };
    match from {
        Some(from) if !shown[from..].trim().is_empty() => format!("{} {HIDDEN}", &shown[..from]),
        _ => shown,
    }
}

/// Where the value of the first key in a line starts that holds a secret.
fn secret_in(line: &str) -> Option<usize> {
    line.match_indices(':').find_map(|(colon, _)| {
        let before = line[..colon].trim_end_matches(['"', '\'']);
        let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-');
        let name = before.rsplit(ends).next();
        name.is_some_and(is_secret).then_some(colon + 1)
    })
}
