//! What the programs of the bench have in common.

pub mod unary;
