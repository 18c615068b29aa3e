//! Reading one attribute without decoding it.

use crate::wire::Fields;

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
pub(super) struct KeyValue<'a> {
    pub(super) key: &'a [u8],
    /// The value if it is a string.
    pub(super) string: Option<&'a [u8]>,
}

impl<'a> KeyValue<'a> {
    /// Reads an encoded KeyValue as a decoder would: of what occurs twice the last one counts, of a oneof too.
    pub(super) fn read(bytes: &'a [u8]) -> Self {
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
