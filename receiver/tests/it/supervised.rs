//! The processes of a receiver: who takes whose place, and who ends with whom. Real senders and load are not part of this.

mod ends;
mod process;
mod reloads;
mod workers;
