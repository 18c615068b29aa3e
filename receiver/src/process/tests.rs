//! The limit of open files.

use super::{files_needed, raise_open_files};
use rustix::process::{Resource, getrlimit};

#[test]
fn all_files_that_the_process_may_open_are_allowed() {
    let allowed = raise_open_files();
    let limit = getrlimit(Resource::Nofile);
    assert_eq!((limit.current, allowed), (limit.maximum, limit.maximum));
}

#[test]
fn every_connection_and_every_shard_needs_files() {
    assert_eq!(files_needed(20_000, 2), 20_192);
    assert_eq!(files_needed(1, 64), 4_161);
}
