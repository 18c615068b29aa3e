//! Reading one attribute without decoding it.

use crate::wire::{Fields, wire_type};

/// Number of the Resource in ResourceSpans, ResourceMetrics and ResourceLogs.
pub(crate) const RESOURCE: u32 = 1;
/// Number of `Resource.attributes`.
pub(crate) const RESOURCE_ATTRIBUTES: u32 = 1;
/// Number of `KeyValue.key`.
pub(crate) const KEY: u32 = 1;
/// Number of `KeyValue.value`.
pub(crate) const VALUE: u32 = 2;
/// Number of `AnyValue.string_value`.
pub(crate) const STRING_VALUE: u32 = 1;
/// Largest number of the oneof in AnyValue.
const LAST_VALUE: u32 = 8;

/// What a rule looks at in a KeyValue.
#[derive(Debug)]
pub(super) struct KeyValue<'a> {
    pub(super) key: &'a [u8],
    /// The value if it is a string.
    pub(super) string: Option<&'a [u8]>,
}

impl<'a> KeyValue<'a> {
    /// Reads an encoded KeyValue as a decoder would: of what occurs twice the last one counts, of a oneof too.
    pub(super) fn read(bytes: &'a [u8]) -> Self {
        if let Some((key, text)) = plain(bytes) {
            return Self {
                key,
                string: Some(text),
            };
        }
        let mut read = Self {
            key: &[],
            string: None,
        };
        for field in Fields::of(bytes) {
            match field.number {
                KEY => read.key = &bytes[field.inner()],
                VALUE => {
                    for member in Fields::new(bytes, field.inner()) {
                        match member.number {
                            STRING_VALUE => read.string = Some(&bytes[member.inner()]),
                            ..=LAST_VALUE => read.string = None,
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        read
    }
}

/// Key and text of a KeyValue that is just these, each shorter than 128 bytes, in their usual order: so are most, and this
/// is a sixth of what a look at each of their fields costs.
#[inline(always)]
pub(crate) fn plain(key_value: &[u8]) -> Option<(&[u8], &[u8])> {
    const KEY_TAG: u8 = tag(KEY);
    const VALUE_TAG: u8 = tag(VALUE);
    const TEXT_TAG: u8 = tag(STRING_VALUE);
    let [KEY_TAG, key_len, rest @ ..] = key_value else {
        return None;
    };
    let (key, value) = rest.split_at_checked(usize::from(*key_len))?;
    let [VALUE_TAG, value_len, TEXT_TAG, text_len, text @ ..] = value else {
        return None;
    };
    // A larger byte is the first of a longer length.
    let short = (key_len | value_len | text_len) < 0x80;
    let filled = usize::from(*text_len) == text.len() && usize::from(*value_len) == text.len() + 2;
    (short && filled).then_some((key, text))
}

/// The key of a delimited field with a small number.
const fn tag(number: u32) -> u8 {
    (number as u8) << 3 | wire_type::LENGTH
}
