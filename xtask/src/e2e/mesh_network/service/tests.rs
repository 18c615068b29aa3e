//! Kubernetes' rules for who gets a connection.

use super::{Endpoint, Policy, Service, Way};

fn endpoint(node: u8, terminating: bool) -> Endpoint {
    let address = format!("10.244.{node}.10");
    Endpoint {
        address,
        node,
        terminating,
    }
}

/// The nodes whose endpoints a sender on node 1 may get.
fn nodes(policy: Policy, endpoints: &[Endpoint]) -> Result<Vec<u8>, &'static str> {
    let service = Service {
        policy,
        endpoints: endpoints.to_vec(),
    };
    match service.way(1) {
        Way::To(endpoints) => Ok(endpoints.iter().map(|endpoint| endpoint.node).collect()),
        Way::Drop => Err("drop"),
        Way::Reject => Err("reject"),
    }
}

#[test]
fn a_connection_goes_where_the_policy_says() {
    let all = [endpoint(1, false), endpoint(2, false)];
    let elsewhere = [endpoint(2, false)];
    let leaving = [endpoint(1, true), endpoint(2, false)];
    let last = [endpoint(1, true)];
    assert_eq!(nodes(Policy::Cluster, &all), Ok(vec![1, 2]));
    assert_eq!(nodes(Policy::Cluster, &leaving), Ok(vec![2]));
    assert_eq!(nodes(Policy::Cluster, &last), Ok(vec![1]));
    assert_eq!(nodes(Policy::Cluster, &[]), Err("reject"));
    assert_eq!(nodes(Policy::Local, &all), Ok(vec![1]));
    assert_eq!(nodes(Policy::Local, &leaving), Ok(vec![1]));
    assert_eq!(nodes(Policy::Local, &elsewhere), Err("drop"));
    assert_eq!(nodes(Policy::Local, &[]), Err("reject"));
    assert_eq!(nodes(Policy::PreferSameNode, &all), Ok(vec![1]));
    assert_eq!(nodes(Policy::PreferSameNode, &leaving), Ok(vec![2]));
    assert_eq!(nodes(Policy::PreferSameNode, &elsewhere), Ok(vec![2]));
    assert_eq!(nodes(Policy::PreferSameNode, &last), Ok(vec![1]));
    assert_eq!(nodes(Policy::HostPort, &elsewhere), Err("reject"));
    assert_eq!(nodes(Policy::HostPort, &leaving), Ok(vec![1]));
}
