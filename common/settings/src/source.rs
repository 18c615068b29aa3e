//! Where configuration comes from, as the Collector's command line says it.
//!
//! *Invariant:* a source that was read holds its text; whoever loads that later gets what was read.

use crate::diagnostic::{Diagnostic, Kind};
use crate::environment;
use crate::load::read_file;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[cfg(test)]
mod tests;

/// A piece of configuration; in order, later ones win.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A YAML file.
    File(PathBuf),
    /// YAML in an environment variable.
    Variable(String),
    /// YAML text given in place, with the name that diagnostics use.
    Text {
        /// Shown as the file name.
        name: String,
        /// The YAML.
        yaml: String,
    },
}

impl Source {
    /// What a `--config` says: a path, `file:path`, `env:NAME` or `yaml:text`, as for the Collector.
    ///
    /// # Errors
    /// Another scheme, or nothing after it.
    pub fn from_uri(uri: &str) -> Result<Self, String> {
        // One letter is a drive, not a scheme, for the Collector.
        let scheme = uri.split_once(':').filter(|(scheme, _)| {
            scheme.len() > 1
                && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
                && scheme
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "+.-".contains(c))
        });
        let source = match scheme {
            None => Self::File(uri.into()),
            Some(("file", path)) => Self::File(path.into()),
            Some(("env", name)) => Self::Variable(name.to_owned()),
            Some(("yaml", yaml)) => {
                // Up to where a value may begin, which may be a secret.
                let end = yaml.find([' ', '\n', '{', '[']).unwrap_or(yaml.len());
                let name = format!("yaml:{}", yaml[..end].trim_end_matches(':'));
                Self::Text {
                    name,
                    yaml: yaml.to_owned(),
                }
            }
            Some((scheme, _)) => {
                return Err(format!(
                    "`{scheme}:` is not available; use a path, file:PATH, env:NAME or yaml:TEXT"
                ));
            }
        };
        match &source {
            Self::File(path) if path.as_os_str().is_empty() => {
                Err("is empty; give the path of a file".to_owned())
            }
            Self::Variable(name) if !environment::is_name(name) => Err(format!(
                "`{name}` is not the name of an environment variable"
            )),
            _ => Ok(source),
        }
    }

    /// What a `--set key.path=value` says.
    ///
    /// # Errors
    /// There is no `=`, or no key before it.
    pub fn from_set(assignment: &str) -> Result<Self, String> {
        let (key, value) = assignment
            .split_once('=')
            .ok_or("has no `=`; write key.path=value, as in processors.batch.timeout=2s")?;
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() {
            return Err("has no key before the `=`".to_owned());
        }
        Ok(Self::Text {
            name: format!("--set {key}"),
            yaml: format!("{}: {value}", key.replace('.', "::")),
        })
    }

    /// The same with its text in place: what it holds now, for whoever wants to load that and nothing later.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self) -> Result<Self, Diagnostic> {
        let (name, yaml) = self.text(&environment::variables())?;
        Ok(Self::Text { name, yaml })
    }

    /// What diagnostics call it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Text { name, .. } => name.clone(),
            Self::Variable(name) => format!("env:{name}"),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// Name and YAML.
    pub(crate) fn text(
        &self,
        variables: &BTreeMap<String, String>,
    ) -> Result<(String, String), Diagnostic> {
        let read = match self {
            Self::Text { yaml, .. } => Ok(yaml.clone()),
            Self::File(path) => read_file(path),
            Self::Variable(name) => {
                let missing = || {
                    format!("environment variable {name} is not set; it has to hold configuration")
                };
                variables.get(name).cloned().ok_or_else(missing)
            }
        };
        let unreadable = |message| Diagnostic {
            kind: Kind::Error,
            file: self.name(),
            line: 1,
            column: 1,
            key: String::new(),
            message,
            source_line: None,
        };
        Ok((self.name(), read.map_err(unreadable)?))
    }
}
