//! What counts as started, and what is worth another try.

use super::*;

#[tokio::test]
async fn a_shard_that_panics_while_it_opens_its_logs_is_not_a_start() {
    let (opens, opening) = oneshot::channel();
    opens.send(Ok(())).unwrap();
    assert!(opened(opening).await.is_ok());
    let (panics, opening) = oneshot::channel();
    drop(panics);
    assert!(matches!(opened(opening).await, Err(StartError::Shard(_))));
}

#[test]
fn a_port_in_use_may_be_free_at_another_time_and_a_bad_address_never() {
    let bind = |kind: io::ErrorKind| StartError::Bind {
        endpoint: "localhost:4317".to_owned(),
        error: kind.into(),
    };
    assert!(bind(io::ErrorKind::AddrInUse).may_pass());
    assert!(!bind(io::ErrorKind::InvalidInput).may_pass());
    assert!(!StartError::NothingToServe.may_pass());
}
