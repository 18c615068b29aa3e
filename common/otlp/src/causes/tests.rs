//! The whole chain, in order.
use super::*;

#[derive(Debug, thiserror::Error)]
#[error("{what}")]
struct Link {
    what: &'static str,
    source: Option<Box<Link>>,
}

#[test]
fn every_cause_is_told_in_order() {
    let link = |what, source: Option<Link>| Link {
        what,
        source: source.map(Box::new),
    };
    let error = link(
        "call failed",
        Some(link("connection broken", Some(link("reset", None)))),
    );
    assert_eq!(with_causes(&error), "call failed: connection broken: reset");
}
