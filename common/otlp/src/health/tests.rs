//! What the health service answers.

use super::*;

const TRACES: &str = "opentelemetry.proto.collector.trace.v1.TraceService";

fn request(service: &str) -> Vec<u8> {
    let length = u8::try_from(service.len()).unwrap();
    [&[0x0a, length], service.as_bytes()].concat()
}

fn check(message: &[u8], ready: bool) -> Result<Bytes, Code> {
    let traces_alone = |signal| signal == Signal::Traces;
    let answer = HealthCall::Check.answer(message, ready, traces_alone);
    answer.map_err(|status| status.code)
}

#[test]
fn the_process_and_its_services_are_as_ready_as_it_is() {
    for message in [vec![], request(""), request(TRACES)] {
        assert_eq!(check(&message, true), Ok(SERVING));
        assert_eq!(check(&message, false), Ok(NOT_SERVING));
    }
}

#[test]
fn services_that_are_not_served_are_not_found() {
    for service in ["opentelemetry.proto.collector.logs.v1.LogsService", "x"] {
        assert_eq!(check(&request(service), true), Err(Code::NotFound));
    }
}

#[test]
fn fields_of_newer_versions_are_skipped_and_nonsense_is_told() {
    let newer = [&[0x10, 5][..], &request(TRACES)].concat();
    assert_eq!(check(&newer, true), Ok(SERVING));
    for nonsense in [&[0x0a, 9, b'x'][..], &[0x0a, 1, 0xff], &[0xff], &[0x0f]] {
        assert_eq!(check(nonsense, true), Err(Code::InvalidArgument));
    }
}

#[test]
fn only_the_services_own_methods_are_taken() {
    let of = |name: &str| HealthCall::from_grpc_path(&format!("/grpc.health.v1.Health/{name}"));
    assert_eq!(of("Check"), Some(HealthCall::Check));
    assert_eq!(of("List"), None);
    let watch = of("Watch").unwrap().answer(&[], true, |_| true);
    assert_eq!(watch.unwrap_err().code, Code::Unimplemented);
    assert_eq!(HealthCall::from_grpc_path(Signal::Logs.grpc_path()), None);
}
