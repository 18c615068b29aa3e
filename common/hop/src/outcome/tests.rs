//! Which code means what for the data.
use super::*;

fn outcome(code: Code, message: &str, retry_after: Option<Duration>) -> Outcome {
    Status {
        code,
        message: message.to_owned(),
        retry_after,
    }
    .into()
}

#[test]
fn only_invalid_argument_rejects() {
    for number in 0..=17 {
        let code = Code::from_number(number);
        let rejected = matches!(outcome(code, "no", None), Outcome::Rejected { .. });
        assert_eq!(rejected, code == Code::InvalidArgument, "{code:?}");
    }
}

#[test]
fn only_failed_precondition_says_that_nobody_is_served() {
    for number in 0..=17 {
        let code = Code::from_number(number);
        let unserved = outcome(code, "FAILED_PRECONDITION", None).is_unserved();
        assert_eq!(unserved, code == Code::FailedPrecondition, "{code:?}");
    }
}

#[test]
fn a_misconfigured_exporter_loses_nothing() {
    for code in [
        Code::Unimplemented,
        Code::Unauthenticated,
        Code::PermissionDenied,
        Code::NotFound,
        Code::Internal,
        Code::Unknown,
    ] {
        assert!(
            matches!(
                outcome(code, "no", None),
                Outcome::Retry { after: None, .. }
            ),
            "{code:?}"
        );
    }
}

#[test]
fn a_message_over_the_peers_limit_is_cut() {
    for (code, message) in [
        (Code::ResourceExhausted, "batch is too large: 413"),
        (
            Code::ResourceExhausted,
            "grpc: received message larger than max (5000000 vs. 4194304)",
        ),
        (
            Code::ResourceExhausted,
            "gRPC message exceeds maximum size 4194304: 5000000",
        ),
        (
            Code::ResourceExhausted,
            "Error decompressing: size limit, of 10 bytes, exceeded",
        ),
        (
            Code::OutOfRange,
            "Error, decoded message length too large: found 9 bytes, the limit is: 8 bytes",
        ),
    ] {
        assert!(
            matches!(outcome(code, message, None), Outcome::TooLarge { .. }),
            "{message}"
        );
    }
}

#[test]
fn a_peer_without_room_is_asked_again() {
    let after = Some(Duration::from_secs(3));
    for (message, after) in [
        ("queue is too large", after),
        ("data refused due to high memory usage", None),
    ] {
        match outcome(Code::ResourceExhausted, message, after) {
            Outcome::Retry { after: told, .. } => assert_eq!(told, after),
            other => panic!("{message}: {other:?}"),
        }
    }
}

#[test]
fn the_reason_names_code_and_message() {
    let Outcome::Retry { reason, .. } = outcome(Code::Unavailable, "backend is down", None) else {
        panic!("not a retry")
    };
    assert_eq!(reason, "UNAVAILABLE: backend is down");
}

#[test]
fn no_peer_can_ask_for_a_pause_without_end() {
    for asked in [
        LONGEST_PAUSE,
        Duration::from_secs(99_999_999_999),
        Duration::MAX,
    ] {
        match outcome(Code::Unavailable, "later", Some(asked)) {
            Outcome::Retry { after, .. } => assert_eq!(after, Some(LONGEST_PAUSE)),
            other => panic!("{asked:?}: {other:?}"),
        }
    }
}
