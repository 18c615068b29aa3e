//! A tree as YAML for people, without its secrets.

use crate::redact::{HIDDEN, is_secret, names_header, urls};
use crate::tree::{Node, Scalar, Value};

#[cfg(test)]
mod tests;

/// The whole as a YAML document.
pub(crate) fn print(tree: &Node) -> String {
    let mut text = String::new();
    write(tree, 0, Place::default(), &mut text);
    text
}

/// Where a value stands.
#[derive(Clone, Copy, Default)]
struct Place {
    /// Below a key that holds a secret.
    secret: bool,
    /// In a list.
    element: bool,
}

impl Place {
    fn below(self, key: &str) -> Self {
        let named = self.secret && self.element && names_header(key);
        Self {
            secret: !named && (self.secret || is_secret(key)),
            element: false,
        }
    }
}

/// Writes a value behind what stands in the line already: `key:`, `-` or nothing at all.
fn write(node: &Node, depth: usize, place: Place, text: &mut String) {
    let indent = "  ".repeat(depth);
    match &node.value {
        Value::Null => text.push('\n'),
        Value::Scalar(_) if place.secret => inline(&quoted(HIDDEN, false), text),
        Value::Scalar(value) => inline(&scalar(value), text),
        Value::List(items) if items.is_empty() => inline("[]", text),
        Value::Map(entries) if entries.is_empty() => inline("{}", text),
        Value::List(items) => {
            end_line(text);
            let place = Place {
                element: true,
                ..place
            };
            for item in items {
                *text += &format!("{indent}-");
                write(item, depth + 1, place, text);
            }
        }
        Value::Map(entries) => {
            end_line(text);
            for entry in entries {
                *text += &format!("{indent}{}:", quoted(&entry.key, true));
                write(&entry.value, depth + 1, place.below(&entry.key), text);
            }
        }
    }
}

fn end_line(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}

fn inline(value: &str, text: &mut String) {
    if text.ends_with([':', '-']) {
        text.push(' ');
    }
    *text += value;
    text.push('\n');
}

fn scalar(scalar: &Scalar) -> String {
    // So that it can be read again as configuration.
    quoted(&urls(&scalar.text).replace('$', "$$"), scalar.plain)
}

/// A text as YAML reads it back: `plain` if it was written so, or as a JSON string, which YAML takes too.
fn quoted(text: &str, plain: bool) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
    let middle = |c: char| word(c) || ":+@%= ".contains(c);
    let starts = |c: char| c.is_ascii_alphanumeric() || "_./".contains(c);
    // Only what is read as text, whatever a reader makes of plain values.
    let reads_as_text = !matches!(
        text.to_ascii_lowercase().as_str(),
        "null" | "true" | "false" | "yes" | "no" | "on" | "off"
    ) && !text
        .starts_with(|first: char| first.is_ascii_digit() || first == '.' || first == '_');
    let safe = text.starts_with(starts)
        && text.ends_with(word)
        && text.chars().all(middle)
        && !text.contains(": ")
        && (plain || reads_as_text);
    let number = plain && text.parse::<f64>().is_ok();
    if safe || number {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}
