//! A look into the data points of a checked metrics request, without decoding it.
//!
//! kuma-dp names its service on data points only. Sums, gauges, histograms and summaries have their points in field 1
//! and, alone among them, exponential histograms have a point's attributes in field 1 instead of 7 or 9.
//!
//! *Invariant:* no input makes it panic; where it does not understand the bytes (groups, which OTLP has none of) it
//! finds nothing more.

/// `ResourceMetrics.scope_metrics` and `ScopeMetrics.metrics`.
const SCOPES: u32 = 2;
const METRICS: u32 = 2;
/// The members of `Metric.data` with the field in which a point has its attributes.
const DATA: [(u32, u32); 5] = [(5, 7), (7, 7), (9, 9), (10, 1), (11, 7)];
const POINTS: u32 = 1;

/// The messages around each Resource, in the order in which `annotate` asks for them.
pub(super) fn holders(request: &[u8]) -> impl Iterator<Item = &[u8]> {
    messages(request, 1)
}

/// The value of the first of `keys`, in their order, on the first data point that has any of them.
pub(super) fn first_attribute<'a>(resource_metrics: &'a [u8], keys: &[&str]) -> Option<&'a str> {
    messages(resource_metrics, SCOPES)
        .flat_map(|scope| messages(scope, METRICS))
        .flat_map(|metric| {
            DATA.into_iter().flat_map(move |(data, attributes)| {
                messages(metric, data)
                    .flat_map(|data| messages(data, POINTS))
                    .map(move |point| (point, attributes))
            })
        })
        .find_map(|(point, attributes)| best(point, attributes, keys))
}

fn best<'a>(point: &'a [u8], attributes: u32, keys: &[&str]) -> Option<&'a str> {
    let mut found: Option<(usize, &'a str)> = None;
    for attribute in messages(point, attributes) {
        let Some(key) = messages(attribute, 1).last() else {
            continue;
        };
        let Some(rank) = keys.iter().position(|wanted| wanted.as_bytes() == key) else {
            continue;
        };
        let text = messages(attribute, 2)
            .last()
            .and_then(|value| messages(value, 1).last());
        let text = text.and_then(|text| std::str::from_utf8(text).ok());
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            continue;
        };
        if found.is_none_or(|(best, _)| rank < best) {
            found = Some((rank, text));
        }
    }
    found.map(|(_, text)| text)
}

/// The contents of the delimited fields of that number.
fn messages(bytes: &[u8], number: u32) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        loop {
            let key = varint(&mut rest)?;
            let content = match key & 7 {
                0 => {
                    varint(&mut rest)?;
                    continue;
                }
                1 => take(&mut rest, 8).map(|_| None)?,
                5 => take(&mut rest, 4).map(|_| None)?,
                2 => {
                    let length = usize::try_from(varint(&mut rest)?).ok()?;
                    Some(take(&mut rest, length)?)
                }
                _ => return None,
            };
            if let Some(content) = content.filter(|_| key >> 3 == u64::from(number)) {
                return Some(content);
            }
        }
    })
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let (&byte, left) = rest.split_first()?;
        *rest = left;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}
