//! What a refusal costs.

use super::*;
use penstock_settings::Secret;

#[test]
fn a_hash_costs_what_it_says_and_other_kinds_cost_nothing() {
    let bcrypt = |text: &str| PasswordHash::Bcrypt(Secret::new(text.to_owned()));
    assert_eq!(cost(&bcrypt("$2y$05$rest")), 5);
    assert_eq!(cost(&bcrypt("$2b$12$rest")), 12);
    assert_eq!(cost(&bcrypt("$2b$")), NO_COST);
    let plain = PasswordHash::Plain(Secret::new("$2b$12$".to_owned()));
    assert_eq!(cost(&plain), NO_COST);
}
