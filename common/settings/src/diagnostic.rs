//! What there is to say about a configuration, and how it is shown: to people with the line that it is about, to
//! programs as JSON.
//!
//! *Invariant:* shows no secret: neither a message nor a line of the file has one.

use crate::redact;
use crate::tree::{Fault, Place};
use serde_json::json;
use std::fmt::{self, Write};

#[cfg(test)]
mod tests;

/// How much a diagnostic matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The settings cannot be used.
    Error,
    /// They cannot be used because Penstock does not have such a component.
    Component,
    /// A key without effect here, or something that is likely not meant.
    Warning,
    /// A key that has its effect, but means something else than in the Collector.
    Note,
}

impl Kind {
    /// Whether it keeps the settings from being used.
    #[must_use]
    pub fn is_error(self) -> bool {
        matches!(self, Self::Error | Self::Component)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Error | Self::Component => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// What is wrong, where, and what to do about it. Its `Display` is the one line `file:line:column: key: message`;
/// [`Diagnostic::report`] shows the line of the file too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How much it matters.
    pub kind: Kind,
    /// File name as given, or what stands for it, such as `--set processors.batch.timeout`.
    pub file: String,
    /// 1-based line.
    pub line: usize,
    /// 1-based column, in characters.
    pub column: usize,
    /// Path of the key, such as `receivers.otlp.protocols.grpc.endpont`; empty when the YAML itself is broken.
    pub key: String,
    /// What is wrong and what is allowed.
    pub message: String,
    /// The line of the file, where there is one, with secrets hidden.
    pub source_line: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_place(f)?;
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for Diagnostic {}

impl Diagnostic {
    pub(crate) fn at(kind: Kind, place: &Place, key: String, message: String) -> Self {
        let message = redact::message(&key, &message);
        Self {
            kind,
            file: place.file.to_string(),
            line: place.line,
            column: place.column,
            key,
            message,
            source_line: None,
        }
    }

    pub(crate) fn of(kind: Kind, fault: Fault) -> Self {
        Self::at(kind, &fault.place, fault.key, fault.message)
    }

    /// Takes its line out of the text that it is about.
    pub(crate) fn show(&mut self, text: &str) {
        if let Some(line) = text.lines().nth(self.line - 1) {
            // A tab would put the mark below at another place than it has.
            let line = redact::line(&self.key, line.trim_end()).replace('\t', " ");
            self.source_line = Some(line).filter(|line| !line.is_empty());
        }
    }

    /// For people: the message, the place and the line with a mark below what is meant.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = format!("{}: {}\n", self.kind.name(), self.message);
        self.write_lines(&mut text);
        text
    }

    fn write_place(&self, to: &mut impl Write) -> fmt::Result {
        write!(to, "{}:{}:{}", self.file, self.line, self.column)?;
        if !self.key.is_empty() {
            write!(to, ": {}", self.key)?;
        }
        Ok(())
    }

    fn write_lines(&self, text: &mut String) {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        *text += &format!("{margin}--> ");
        let _written = self.write_place(text).is_ok();
        text.push('\n');
        let Some(line) = &self.source_line else {
            return;
        };
        let before = self.column - 1;
        let ends = |c: char| c.is_whitespace() || ",:]}".contains(c);
        let mut marked = line.chars().skip(before);
        // The first character counts whatever it is.
        let width =
            1 + usize::from(marked.next().is_some()) * marked.take_while(|c| !ends(*c)).count();
        *text += &format!(
            "{margin} |\n{number} | {line}\n{margin} | {}{}\n",
            " ".repeat(before),
            "^".repeat(width)
        );
    }

    /// For programs.
    fn json(&self) -> serde_json::Value {
        json!({
            "severity": self.kind.name(),
            "unknown_component": self.kind == Kind::Component,
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "key": self.key,
            "message": self.message,
            "source_line": self.source_line,
        })
    }
}

/// Everything that keeps settings from being used; at least one. Its `Display` is a line for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Diagnostic>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let between = if index == 0 { "" } else { "\n" };
            write!(f, "{between}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

impl Faults {
    /// For people, with the lines of the files.
    #[must_use]
    pub fn report(&self) -> String {
        report(&self.0)
    }
}

/// All of them for people: what is wrong first, the components that there are not in one list, and a sum.
#[must_use]
pub fn report(diagnostics: &[Diagnostic]) -> String {
    let of = |kind: Kind| diagnostics.iter().filter(move |found| found.kind == kind);
    let mut text = String::new();
    for error in of(Kind::Error) {
        text += &error.report();
        text.push('\n');
    }
    let components = of(Kind::Component).count();
    if components > 0 {
        let verb = if components == 1 { "is" } else { "are" };
        text += &format!(
            "error: {} {verb} not available here\n",
            count(components, "component")
        );
        for component in of(Kind::Component) {
            component.write_lines(&mut text);
            text += &format!(
                "{} = {}\n",
                " ".repeat(component.line.to_string().len()),
                component.message
            );
        }
        text.push('\n');
    }
    for other in of(Kind::Warning).chain(of(Kind::Note)) {
        text += &other.report();
        text.push('\n');
    }
    let errors = of(Kind::Error).count() + components;
    let (warnings, notes) = (of(Kind::Warning).count(), of(Kind::Note).count());
    text += &format!(
        "{}, {}, {}\n",
        count(errors, "error"),
        count(warnings, "warning"),
        count(notes, "note")
    );
    text
}

/// All of them for programs: an object with the sums and a list.
#[must_use]
pub fn report_json(diagnostics: &[Diagnostic]) -> serde_json::Value {
    let of = |name: &str| {
        diagnostics
            .iter()
            .filter(|found| found.kind.name() == name)
            .count()
    };
    json!({
        "valid": of("error") == 0,
        "errors": of("error"),
        "warnings": of("warning"),
        "notes": of("note"),
        "diagnostics": diagnostics.iter().map(Diagnostic::json).collect::<Vec<_>>(),
    })
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}
