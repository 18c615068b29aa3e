//! What is scraped, of all that is kept.
//!
//! *Invariant:* each series once and each metric's series together, whatever comes in. What cannot be shown beside the rest is left
//! out, counted and named, and does not fail the scrape.

mod names;
mod negotiate;
mod protobuf;
mod text;

#[cfg(test)]
mod tests;

pub(crate) use names::Escaping;
pub(crate) use negotiate::{Answer, Format, encoding};

use crate::state::{Held, Kept};
use bytes::Bytes;
use penstock_exporter_series::{Family, Kind, Point, Value};
use penstock_metrics::{Metric, Unit};
use std::borrow::Cow;
use std::collections::hash_map::{Entry, RandomState};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::Arc;

const SIBLING_UP: Metric = Metric::gauge(
    "penstock_exporter_sibling_up",
    Unit::One,
    &["sibling"],
    "Whether another replica of the exporter has told what it keeps: 0 means that its series are missing. On what is scraped, not on the admin address.",
);
const HIDDEN: Metric = Metric::gauge(
    "penstock_exporter_hidden_series",
    Unit::One,
    &["metric", "reason"],
    "Series that are kept and not on this page, by metric and reason: `same labels` as another Resource's, another `type` than most of the metric's, a `name` that another metric's series have. Beyond 32 metrics, `other`. On what is scraped, not on the admin address.",
);
/// All of ours on a page of others'.
pub(crate) const METRICS: &[Metric] = &[SIBLING_UP, HIDDEN];

/// Metrics that are named when something of them is hidden.
const NAMED: usize = 32;

/// Series that are not shown, by metric and reason.
pub(crate) type Hidden = BTreeMap<(String, &'static str), usize>;

/// How a page is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) format: Format,
    pub(crate) escaping: Escaping,
    pub(crate) timestamps: bool,
}

/// What one Resource has on the page, prepared.
struct Sheet<'a> {
    held: &'a Held,
    /// Names as they are shown, by number.
    names: Vec<Cow<'a, str>>,
    /// `name="value"`, in text.
    texts: Vec<String>,
    hashes: Vec<u128>,
    /// Escaping has changed names, so that two labels of a series may have become one.
    is_escaped: bool,
}

/// One series, histogram or summary.
#[derive(Clone, Copy)]
struct Item<'a> {
    sheet: usize,
    labels: &'a [u32],
    kept: &'a Kept,
}

/// One metric's series of one type.
struct Group<'a> {
    name: Cow<'a, str>,
    family: &'a Arc<Family>,
    items: Vec<Item<'a>>,
}

/// A page under way.
struct Page<'a> {
    way: Way,
    sheets: Vec<Sheet<'a>>,
    groups: Vec<Group<'a>>,
    by_name: HashMap<(Cow<'a, str>, Kind), usize>,
    /// Every series that is on it.
    seen: HashMap<u128, usize>,
    hashers: [RandomState; 2],
    hidden: Hidden,
}

/// Writes the page; what is kept comes in an order that is the same for every replica. Also gives what is not on it.
pub(crate) fn page(all: &[Arc<Held>], siblings: &[(String, bool)], way: Way) -> (Bytes, Hidden) {
    let mut page = Page {
        way,
        sheets: Vec::with_capacity(all.len() + 1),
        groups: Vec::new(),
        by_name: HashMap::new(),
        seen: HashMap::new(),
        hashers: [RandomState::new(), RandomState::new()],
        hidden: Hidden::new(),
    };
    for held in all {
        page.add(held);
    }
    page.settle();
    let ours = own(siblings, &page.hidden);
    page.add(&ours);
    let hidden = std::mem::take(&mut page.hidden);
    page.groups.retain(|group| !group.items.is_empty());
    page.groups.sort_by(|one, other| one.name.cmp(&other.name));
    let body = match way.format {
        Format::Protobuf => protobuf::write(&page).into(),
        Format::Text | Format::OpenMetrics => Bytes::from(text::write(&page)),
    };
    (body, hidden)
}

/// What the exporter says of the page itself.
fn own(siblings: &[(String, bool)], hidden: &Hidden) -> Held {
    let mut held = Held::default();
    let mut put = |metric: &Metric, labels: &[(&str, &str)], value: f64| {
        let family = Family {
            name: metric.name.to_owned(),
            kind: Kind::Gauge,
            help: metric.help.to_owned(),
            unit: String::new(),
        };
        let labels = labels.iter();
        held.put(Point {
            family: Arc::new(family),
            labels: labels
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            value: Value::Number(value),
            ends: false,
            delta: false,
            millis: 0,
            created: 0,
            exemplars: Vec::new(),
            number: 0,
            more: 0,
        });
    };
    for (address, up) in siblings {
        put(
            &SIBLING_UP,
            &[("sibling", address)],
            f64::from(u8::from(*up)),
        );
    }
    for ((metric, reason), series) in hidden {
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        put(
            &HIDDEN,
            &[("metric", metric), ("reason", reason)],
            *series as f64,
        );
    }
    held
}

impl<'a> Page<'a> {
    fn sheet(&self, held: &'a Held) -> Sheet<'a> {
        let escaping = self.way.escaping;
        let names: Vec<_> = held
            .labels
            .iter()
            .map(|label| escaping.label(&label.name))
            .collect();
        let labels = || held.labels.iter().zip(&names);
        let texts = match self.way.format {
            Format::Protobuf => Vec::new(),
            Format::Text | Format::OpenMetrics => labels()
                .map(|(label, name)| text::label(name, &label.value))
                .collect(),
        };
        let hashes = labels()
            .map(|(label, name)| self.hash(&(name, &label.value)))
            .collect();
        let is_escaped = labels().any(|(label, name)| *label.name != **name);
        Sheet {
            held,
            names,
            texts,
            hashes,
            is_escaped,
        }
    }

    fn hash(&self, value: &impl std::hash::Hash) -> u128 {
        let [one, other] = self.hashers.each_ref().map(|hasher| hasher.hash_one(value));
        (u128::from(one) << 64) | u128::from(other)
    }

    fn add(&mut self, held: &'a Held) {
        let sheet = self.sheet(held);
        let number = self.sheets.len();
        let groups: Vec<usize> = held
            .families
            .iter()
            .map(|family| self.group(family))
            .collect();
        let names: Vec<u128> = groups.iter().map(|group| self.hash(group)).collect();
        for (key, kept) in &held.items {
            let Some((family, labels)) = key.split_first() else {
                continue;
            };
            let family = at(*family);
            let item = Item {
                sheet: number,
                labels,
                kept,
            };
            let has_twice = sheet.is_escaped && {
                let mut seen = HashSet::new();
                !labels
                    .iter()
                    .all(|label| seen.insert(&*sheet.names[at(*label)]))
            };
            if has_twice {
                self.hide(groups[family], kept, "same labels");
                continue;
            }
            // In whatever order they are.
            let labels = labels.iter().map(|label| sheet.hashes[at(*label)]);
            let identity = labels.fold(names[family], u128::wrapping_add);
            self.place(groups[family], item, identity);
        }
        self.sheets.push(sheet);
    }

    /// Of the same series of two Resources the one that began last is shown, so that it is the same one on every page.
    fn place(&mut self, group: usize, item: Item<'a>, identity: u128) {
        match self.seen.entry(identity) {
            Entry::Vacant(place) => {
                place.insert(self.groups[group].items.len());
                self.groups[group].items.push(item);
            }
            Entry::Occupied(known) => {
                let shown = &mut self.groups[group].items[*known.get()];
                let hidden = if item.kept.since > shown.kept.since {
                    std::mem::replace(shown, item)
                } else {
                    item
                };
                self.hide(group, hidden.kept, "same labels");
            }
        }
    }

    fn group(&mut self, family: &'a Arc<Family>) -> usize {
        let name = self.way.escaping.metric(&family.name);
        let kind = match family.kind {
            Kind::Info => Kind::Gauge,
            kind => kind,
        };
        *self.by_name.entry((name.clone(), kind)).or_insert_with(|| {
            self.groups.push(Group {
                name,
                family,
                items: Vec::new(),
            });
            self.groups.len() - 1
        })
    }

    /// Of one name's types the one that most series have is shown, and of two metrics whose series are called alike the larger.
    fn settle(&mut self) {
        let mut order: Vec<usize> = (0..self.groups.len()).collect();
        order.sort_by_key(|index| {
            let group = &self.groups[*index];
            (
                std::cmp::Reverse(group.items.len()),
                group.name.clone(),
                group.family.kind,
            )
        });
        let mut families: HashSet<String> = HashSet::new();
        let mut names: HashSet<String> = HashSet::new();
        for index in order {
            let group = &self.groups[index];
            let own = text::names(&group.name, group.family.kind, self.way.format);
            let reason = if families.contains(&*group.name) {
                Some("type")
            } else if own.iter().any(|name| names.contains(name)) {
                Some("name")
            } else {
                None
            };
            match reason {
                Some(reason) => {
                    for item in std::mem::take(&mut self.groups[index].items) {
                        self.hide(index, item.kept, reason);
                    }
                }
                None => {
                    families.insert(group.name.clone().into_owned());
                    names.extend(own);
                }
            }
        }
    }

    fn hide(&mut self, group: usize, kept: &Kept, reason: &'static str) {
        let key = (self.groups[group].name.clone().into_owned(), reason);
        let is_known = self.hidden.contains_key(&key) || self.hidden.len() < NAMED;
        let key = if is_known {
            key
        } else {
            ("other".to_owned(), reason)
        };
        *self.hidden.entry(key).or_default() += kept.value.series();
    }
}

fn at(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
