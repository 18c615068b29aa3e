//! Which names are allowed.

use super::is;

#[test]
fn a_name_allows_itself_and_what_its_star_stands_for() {
    for (name, has) in [
        ("receiver.test", "Receiver.test"),
        ("*.apps.svc", "cart.apps.svc"),
        ("spiffe://mesh/*", "spiffe://mesh/ns/shop/sa/cart"),
        ("spiffe://mesh/cart", "spiffe://mesh/cart"),
        ("10.0.0.7", "10.0.0.7"),
        ("::1", "0:0:0:0:0:0:0:1"),
    ] {
        assert!(is(name, has), "{name} {has}");
    }
    for (name, has) in [
        ("receiver.test", "a.receiver.test"),
        ("*.apps.svc", "apps.svc"),
        ("*.apps.svc", ".apps.svc"),
        ("*.apps.svc", "*.apps.svc"),
        ("*.apps.svc", "a.cart.apps.svc"),
        ("spiffe://mesh/*", "spiffe://mesh/"),
        ("spiffe://mesh/*", "spiffe://mesh2/cart"),
        ("spiffe://mesh/cart", "spiffe://mesh/cart2"),
        ("10.0.0.7", "10.0.0.70"),
        ("spiffe://mesh/cart", "spiffe://MESH/cart"),
    ] {
        assert!(!is(name, has), "{name} {has}");
    }
}
