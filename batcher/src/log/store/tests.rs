//! Tests of the store.

mod found;
mod model;
pub(crate) mod rig;
