//! YAML text into a tree, through `granit-parser`'s events.
//!
//! The parser was taken for what it promises: positions for every event, no panic on any text, bounded nesting, no
//! unsafe code. This file adds what a configuration needs: one document, no duplicate keys, no tags, `<<`, and aliases
//! that count as what they expand to.
//!
//! *Invariant:* never builds more than its [`Budget`] allows.

use super::{Entry, Fault, MAX_BYTES, MAX_DEPTH, MAX_NODES, Node, Place, Scalar, Value, levels};
use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, Span, StrInput};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What may still be built, over all sources.
#[derive(Debug)]
pub(crate) struct Budget {
    nodes: usize,
    bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            nodes: MAX_NODES,
            bytes: MAX_BYTES,
        }
    }
}

impl Budget {
    /// Takes nodes and bytes of text out of the budget.
    pub(crate) fn spend(&mut self, nodes: usize, bytes: usize) -> Result<(), String> {
        match (self.nodes.checked_sub(nodes), self.bytes.checked_sub(bytes)) {
            (Some(nodes), Some(bytes)) => {
                *self = Self { nodes, bytes };
                Ok(())
            }
            _ => Err(format!(
                "too much: more than {MAX_NODES} values or {MAX_BYTES} bytes of text, with what aliases and \
                 expressions stand for"
            )),
        }
    }
}

/// Reads one YAML document. Empty text is [`Value::Null`]. Nothing is given when the text cannot be read to its end.
pub(crate) fn parse(
    file: &Arc<str>,
    text: &str,
    budget: &mut Budget,
    faults: &mut Vec<Fault>,
) -> Option<Node> {
    let builder = Builder {
        file,
        text,
        budget,
        faults,
        events: Parser::new_from_str(text),
        anchors: HashMap::new(),
        open: HashSet::new(),
        path: Vec::new(),
    };
    let (faults, document) = builder.document();
    document.map_err(|fault| faults.push(fault)).ok()
}

struct Builder<'t> {
    file: &'t Arc<str>,
    text: &'t str,
    budget: &'t mut Budget,
    /// What is wrong and does not keep the rest from being read.
    faults: &'t mut Vec<Fault>,
    events: Parser<'t, StrInput<'t>>,
    /// Finished nodes by anchor.
    anchors: HashMap<usize, Arc<Node>>,
    /// Anchors of the collections that are being built.
    open: HashSet<usize>,
    /// Keys down to where one is.
    path: Vec<String>,
}

impl<'t> Builder<'t> {
    fn document(mut self) -> (&'t mut Vec<Fault>, Result<Node, Fault>) {
        let root = self.root();
        (self.faults, root)
    }

    fn root(&mut self) -> Result<Node, Fault> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                Event::StreamEnd => break,
                _ if root.is_some() => {
                    return Err(self.fault(span, "a second YAML document; a file holds one"));
                }
                event => root = Some(self.node(event, span, 0)?),
            }
        }
        Ok(root.unwrap_or(Node {
            place: Place {
                file: Arc::clone(self.file),
                line: 1,
                column: 1,
            },
            value: Value::Null,
        }))
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, Fault> {
        if depth >= MAX_DEPTH {
            return Err(self.fault(span, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let bytes = event.scalar().map_or(0, |(text, _)| text.len());
        self.spend(1, bytes, span)?;
        let anchor = event.anchor_id();
        let place = self.place(span);
        let value = match event {
            Event::Alias(id) => return self.alias(id, span, depth),
            Event::Scalar(text, style, _, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                if let Some(tag) = tag
                    && !tag.is_yaml_core_schema()
                {
                    let mut fault = self.fault(
                        span,
                        format!("YAML tag `{tag}` has no meaning here; remove it"),
                    );
                    if let Some(start) = span.tag_start() {
                        fault.place.column = start.col() + 1;
                        fault.place.line = start.line();
                    }
                    self.faults.push(fault);
                }
                match text.as_ref() {
                    "" | "~" | "null" | "Null" | "NULL" if plain => Value::Null,
                    _ => Value::Scalar(Scalar {
                        text: text.into_owned(),
                        plain,
                    }),
                }
            }
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                if let Some(id) = anchor {
                    self.open.insert(id);
                }
                let value = match event {
                    Event::SequenceStart(..) => Value::List(self.list(depth)?),
                    _ => Value::Map(self.map(depth)?),
                };
                if let Some(id) = anchor {
                    self.open.remove(&id);
                }
                value
            }
            _ => return Err(self.fault(span, "a value was expected here")),
        };
        let node = Node { place, value };
        if let Some(id) = anchor {
            self.charge(&node, span)?;
            self.anchors.insert(id, Arc::new(node.clone()));
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Fault> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<Entry>, Fault> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut merged = Vec::new();
        let mut lines: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            let (key, style) = match event {
                Event::MappingEnd => break,
                Event::Scalar(text, style, ..) => (text.into_owned(), style),
                _ => return Err(self.fault(span, "a key is plain text, not a list, map or alias")),
            };
            let (event, value_span) = self.next()?;
            self.path.push(key.clone());
            let value = self.node(event, value_span, depth + 1)?;
            if key == "<<" && style == ScalarStyle::Plain {
                self.path.pop();
                merged.push((value, span));
                continue;
            }
            if let Some(line) = lines.get(&key) {
                let twice = self.fault(span, format!("is given twice; first in line {line}"));
                self.faults.push(twice);
                self.path.pop();
                continue;
            }
            lines.insert(key.clone(), span.start.line());
            self.path.pop();
            entries.push(Entry {
                key,
                place: self.place(span),
                value,
            });
        }
        for (value, span) in merged {
            let maps = match value.value {
                Value::List(items) => items,
                _ => vec![value],
            };
            for map in maps {
                let Value::Map(inherited) = map.value else {
                    let wrong = self.fault(span, "`<<` takes a map or a list of maps");
                    self.faults.push(wrong);
                    continue;
                };
                // What the map says itself wins, and then what comes first.
                entries.extend(
                    inherited
                        .into_iter()
                        .filter(|entry| lines.insert(entry.key.clone(), 0).is_none()),
                );
            }
        }
        Ok(entries)
    }

    fn alias(&mut self, id: usize, span: Span, depth: usize) -> Result<Node, Fault> {
        if self.open.contains(&id) {
            return Err(self.fault(span, "the alias stands inside of what it refers to"));
        }
        let Some(node) = self.anchors.get(&id).cloned() else {
            return Err(self.fault(span, "the alias refers to nothing"));
        };
        if depth + levels(&node) > MAX_DEPTH {
            return Err(self.fault(span, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.charge(&node, span)?;
        Ok(Node::clone(&node))
    }

    /// Pays for a copy before it is made.
    fn charge(&mut self, node: &Node, span: Span) -> Result<(), Fault> {
        let (nodes, bytes) = size(node);
        self.spend(nodes, bytes, span)
    }

    fn spend(&mut self, nodes: usize, bytes: usize, span: Span) -> Result<(), Fault> {
        self.budget
            .spend(nodes, bytes)
            .map_err(|message| self.fault(span, message))
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Fault> {
        match self.events.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// A tab in the indentation is by far the most frequent mistake, and not always the one that a parser names.
    fn syntax(&self, error: &granit_parser::ScanError) -> Fault {
        let (line, column) = (error.marker().line(), error.marker().col() + 1);
        let place = |line, column| Place {
            file: Arc::clone(self.file),
            line,
            column,
        };
        let is_tab = matches!(
            error.kind(),
            ErrorKind::TabNotAllowed
                | ErrorKind::TabInBlockIndentation
                | ErrorKind::TabInIndentation
                | ErrorKind::TabInPlainScalar
        );
        // A parser that trips over a tab may still stand in the line before.
        for number in line..=line + usize::from(is_tab) {
            let Some(source) = number
                .checked_sub(1)
                .and_then(|index| self.text.lines().nth(index))
            else {
                continue;
            };
            let indent = &source[..source.len() - source.trim_start().len()];
            if let Some(tab) = indent.chars().position(|character| character == '\t') {
                let message = "a tab in the indentation; YAML takes only spaces there".to_owned();
                return Fault {
                    place: place(number, tab + 1),
                    key: String::new(),
                    message,
                };
            }
        }
        Fault {
            place: place(line, column),
            key: String::new(),
            message: format!("not valid YAML: {}", error.info()),
        }
    }

    fn place(&self, span: Span) -> Place {
        Place {
            file: Arc::clone(self.file),
            line: span.start.line(),
            column: span.start.col() + 1,
        }
    }

    fn fault(&self, span: Span, message: impl Into<String>) -> Fault {
        Fault {
            place: self.place(span),
            key: self.path.join("."),
            message: message.into(),
        }
    }
}

/// Number of nodes and bytes of text.
fn size(node: &Node) -> (usize, usize) {
    let add = |sum: (usize, usize), part: (usize, usize)| (sum.0 + part.0, sum.1 + part.1);
    match &node.value {
        Value::Null => (1, 0),
        Value::Scalar(scalar) => (1, scalar.text.len()),
        Value::List(items) => items.iter().map(size).fold((1, 0), add),
        Value::Map(entries) => entries
            .iter()
            .map(|entry| add((0, entry.key.len()), size(&entry.value)))
            .fold((1, 0), add),
    }
}
