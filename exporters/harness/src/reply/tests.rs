//! What an exporter says is what the hop's client hears.
use super::*;
use penstock_hop::Outcome;
use std::time::Duration;

fn heard(error: ExportError) -> Outcome {
    Outcome::from(status_of(error))
}

#[test]
fn every_error_comes_out_of_the_hop_as_it_went_in() {
    let reason = || "backend said no".to_owned();
    for after in [None, Some(Duration::ZERO), Some(Duration::from_secs(7))] {
        match heard(ExportError::Retry {
            after,
            reason: reason(),
        }) {
            Outcome::Retry {
                after: told,
                reason,
            } => {
                assert_eq!(told, after);
                assert!(reason.ends_with("backend said no"));
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(
        heard(ExportError::TooLarge { reason: reason() }),
        Outcome::TooLarge { reason } if reason.ends_with("backend said no")
    ));
    assert!(matches!(
        heard(ExportError::Rejected { reason: reason() }),
        Outcome::Rejected { reason } if reason.ends_with("backend said no")
    ));
}

#[test]
fn retry_info_travels_in_the_details() {
    let after = Some(Duration::from_secs(7));
    let error = ExportError::Retry {
        after,
        reason: "later".to_owned(),
    };
    let response = status(status_of(error));
    assert_eq!(response.headers()["grpc-status"], "14");
    let read = tonic::Status::from_header_map(response.headers()).unwrap();
    assert_eq!(Status::decode(read.details()).unwrap().retry_after, after);
}

#[test]
fn a_status_fits_into_headers_however_much_the_backend_says() {
    let reason = "ü".repeat(100_000);
    let response = status(status_of(ExportError::Retry {
        after: Some(Duration::ZERO),
        reason,
    }));
    let size: usize = response.headers().values().map(HeaderValue::len).sum();
    assert!(size < 8 * 1024, "{size}");
    let read = tonic::Status::from_header_map(response.headers()).unwrap();
    assert_eq!(read.message().chars().count(), MAX_MESSAGE / 2);
}
