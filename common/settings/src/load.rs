//! From files to settings: read, substitute, merge, deserialise, validate.
//!
//! *Invariant:* the same sources and the same [`Environment`] give the same settings or the same diagnostics.

use crate::environment::Environment;
use crate::model::Settings;
use crate::resolve;
use crate::tree::{self, Budget, Fault, Node, Place, Value};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// Largest configuration file; a Kubernetes ConfigMap holds 1 MiB.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// Where a piece of configuration comes from, in order; later ones win.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A YAML file.
    File(std::path::PathBuf),
    /// YAML text given in place, with the name that diagnostics use.
    Text {
        /// Shown as the file name.
        name: String,
        /// The YAML.
        yaml: String,
    },
}

impl Source {
    /// The same with its text in place: what a file holds now, for whoever wants to load that and nothing later.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self) -> Result<Self, Diagnostic> {
        let (name, yaml) = self.text()?;
        Ok(Self::Text { name, yaml })
    }

    /// Name and YAML.
    fn text(&self) -> Result<(String, String), Diagnostic> {
        match self {
            Self::Text { name, yaml } => Ok((name.clone(), yaml.clone())),
            Self::File(path) => {
                let name = path.display().to_string();
                match read_file(path) {
                    Ok(yaml) => Ok((name, yaml)),
                    Err(message) => Err(Diagnostic {
                        file: name,
                        line: 1,
                        column: 1,
                        key: String::new(),
                        message,
                    }),
                }
            }
        }
    }
}

/// What is wrong, where, and what to do about it. Its `Display` is `file:line:column: key: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// File name as given.
    pub file: String,
    /// 1-based line.
    pub line: usize,
    /// 1-based column.
    pub column: usize,
    /// Path of the key, such as `receivers.otlp.protocols.grpc.endpont`; empty when the YAML itself is broken.
    pub key: String,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            key,
            message,
        } = self;
        write!(f, "{file}:{line}:{column}: ")?;
        if !key.is_empty() {
            write!(f, "{key}: ")?;
        }
        f.write_str(message)
    }
}

impl std::error::Error for Diagnostic {}

impl Diagnostic {
    pub(crate) fn at(place: &Place, key: String, message: String) -> Self {
        Self {
            file: place.file.to_string(),
            line: place.line,
            column: place.column,
            key,
            message,
        }
    }
}

impl From<Fault> for Diagnostic {
    fn from(fault: Fault) -> Self {
        Self::at(&fault.place, fault.key, fault.message)
    }
}

/// Reads, merges and validates all sources in the process's environment. What is accepted without effect, or is
/// likely not meant, is in [`Settings::warnings`] for the caller to print.
///
/// # Errors
/// The first thing that is wrong; [`load_in`] gives all.
pub fn load(sources: &[Source]) -> Result<Settings, Diagnostic> {
    load_in(sources, &Environment::of_process()).map_err(|mut diagnostics| diagnostics.remove(0))
}

/// Reads, merges and validates all sources, with an environment given.
///
/// # Errors
/// Everything that is wrong, at least one. Text that is not valid YAML hides what else is wrong.
pub fn load_in(sources: &[Source], environment: &Environment) -> Result<Settings, Vec<Diagnostic>> {
    let (tree, mut warnings) =
        read_all(sources, environment).map_err(|diagnostic| vec![diagnostic])?;
    let mut settings = resolve::resolve(&tree, environment).map_err(|mut errors| {
        explain(&mut errors, &warnings);
        in_file_order(&mut errors, sources);
        errors
    })?;
    warnings.append(&mut settings.warnings);
    in_file_order(&mut warnings, sources);
    settings.warnings = warnings;
    Ok(settings)
}

/// An error at a value that an unset variable has made empty says so.
fn explain(errors: &mut [Diagnostic], warnings: &[Diagnostic]) {
    for error in errors {
        for warning in warnings.iter().filter(|warning| warning.key == error.key) {
            error.message = format!("{}; {}", error.message, warning.message);
        }
    }
}

fn in_file_order(diagnostics: &mut [Diagnostic], sources: &[Source]) {
    let source = |name: &str| {
        sources.iter().position(|source| match source {
            Source::Text { name: text, .. } => text == name,
            Source::File(path) => path.display().to_string() == name,
        })
    };
    diagnostics.sort_by_cached_key(|found| {
        // Included files come last.
        (
            source(&found.file).unwrap_or(sources.len()),
            found.line,
            found.column,
        )
    });
}

fn read_all(
    sources: &[Source],
    environment: &Environment,
) -> Result<(Node, Vec<Diagnostic>), Diagnostic> {
    let mut budget = Budget::default();
    let mut warnings = Vec::new();
    let mut whole: Option<Node> = None;
    for source in sources {
        let (name, text) = source.text()?;
        let name: Arc<str> = Arc::from(name);
        let mut tree = tree::parse(&name, &text, &mut budget)?;
        let faults = tree::substitute(&mut tree, environment, &mut budget)?;
        warnings.extend(faults.into_iter().map(Diagnostic::from));
        match &mut whole {
            _ if matches!(tree.value, Value::Null) => {}
            None => whole = Some(tree),
            Some(whole) => tree::merge(whole, tree),
        }
    }
    let name = match sources.first() {
        None => Arc::from("(no file)"),
        Some(Source::Text { name, .. }) => Arc::from(name.as_str()),
        Some(Source::File(path)) => Arc::from(path.display().to_string()),
    };
    let empty = Node {
        place: Place {
            file: name,
            line: 1,
            column: 1,
        },
        value: Value::Map(Vec::new()),
    };
    Ok((whole.unwrap_or(empty), warnings))
}

/// Reads a configuration file whole, within [`MAX_FILE_BYTES`].
pub(crate) fn read_file(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| format!("the file cannot be read: {error}"))?;
    let mut text = String::new();
    file.take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| format!("the file cannot be read as text: {error}"))?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("the file is larger than {MAX_FILE_BYTES} bytes"));
    }
    Ok(text)
}
