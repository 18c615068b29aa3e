//! OTLP's JSON mapping, both ways, driven by the schema table.
//!
//! Reading is as tolerant as protobuf's JSON mapping with OTLP's changes to it asks for:
//! - names in lowerCamelCase or as in the proto file; unknown names are passed over; null means absent;
//! - trace and span ids in hexadecimal of either case, other bytes in base64, standard or URL-safe, padded or not;
//! - numbers as numbers or strings, whole ones also as `1e3`; doubles also as `NaN`, `Infinity`, `-Infinity`;
//! - enums as numbers or names;
//! - a name that occurs twice in an object counts as a field that occurs twice on the wire: of single values the
//!   last one wins, also among the members of a oneof; messages merge and lists append;
//! - text that is not Unicode (bytes that are not UTF-8, lone surrogates) is repaired with U+FFFD, as on the wire.
//!
//! Writing gives what the Collector's JSON marshaler gives: default values are left out, but single messages are
//! always there (`"resource":{}`, `"status":{}`); 64-bit integers are strings, enums numbers, ids lower-case
//! hexadecimal and left out when all zero. The one difference: infinities are `Infinity` as protobuf spells them,
//! which the Collector reads too, and not Go's `+Inf`.
//!
//! *Invariant:* neither way builds a tree: memory is the output plus a path no longer than the nesting.
//!
//! Does not limit sizes: a list of small numbers grows by up to four, text that has to be repaired by three.

use crate::Signal;
use crate::schema;
use bytes::Bytes;

mod read;
mod scalar;
pub(crate) mod value;
mod write;

#[cfg(test)]
mod tests;

/// Why a JSON request cannot be taken: the field's path, what was expected there, and line and column.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct JsonError(pub String);

/// Encodes a JSON request as protobuf that `check` accepts.
///
/// # Errors
/// When `json` is not JSON, is nested too deep, or has a value that its field cannot take.
pub fn to_proto(signal: Signal, json: &[u8]) -> Result<Bytes, JsonError> {
    read::read(schema::request(signal), json).map(Bytes::from)
}

/// Appends a *checked* protobuf request as one line of OTLP JSON (without the newline).
pub fn from_proto(signal: Signal, request: &[u8], out: &mut Vec<u8>) {
    write::write(schema::request(signal), request, out);
}
