//! Requests captured from real sidecars, in `fixtures/otlp` of the repository.

use bytes::Bytes;
use std::path::PathBuf;

/// A captured request.
#[derive(Clone, Debug)]
pub struct Fixture {
    /// File name, such as `fast-traces-0001.pb`.
    pub name: String,
    /// `traces`, `metrics` or `logs`.
    pub signal: &'static str,
    /// The request, protobuf.
    pub body: Bytes,
}

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "fixtures", "otlp"]
        .iter()
        .collect()
}

/// One captured request by its file name.
///
/// # Panics
/// When there is no such file.
#[must_use]
pub fn fixture(name: &str) -> Bytes {
    let path = folder().join(name);
    match std::fs::read(&path) {
        Ok(body) => Bytes::from(body),
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

/// Every captured request, by name.
///
/// # Panics
/// When the folder cannot be read or a file's name has no signal in it.
#[must_use]
pub fn fixtures() -> Vec<Fixture> {
    let folder = folder();
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".pb"))
        .collect();
    names.sort();
    let load = |name: String| {
        let signal = ["traces", "metrics", "logs"]
            .into_iter()
            .find(|signal| name.contains(&format!("-{signal}-")))
            .unwrap_or_else(|| panic!("no signal in the name {name}"));
        Fixture {
            body: fixture(&name),
            signal,
            name,
        }
    };
    names.into_iter().map(load).collect()
}
