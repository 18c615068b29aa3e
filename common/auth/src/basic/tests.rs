//! What a refusal costs.

use super::*;
use penstock_settings::Secret;

fn hash(kind: fn(Secret) -> PasswordHash, text: &str) -> PasswordHash {
    kind(Secret::new(text.to_owned()))
}

#[test]
fn the_dearest_hash_is_the_one_that_takes_longest() {
    let dearer = [
        hash(PasswordHash::Plain, "$2b$12$"),
        hash(PasswordHash::Bcrypt, "$2y$04$rest"),
        hash(PasswordHash::Md5Crypt, "$apr1$salt$rest"),
        hash(PasswordHash::ShaCrypt, "$6$salt$rest"),
        hash(PasswordHash::ShaCrypt, "$6$rounds=10000$salt$rest"),
        hash(PasswordHash::Bcrypt, "$2y$10$rest"),
        hash(PasswordHash::Bcrypt, "$2b$12$rest"),
    ];
    assert!(
        dearer.is_sorted_by_key(cost),
        "{:?}",
        dearer.each_ref().map(cost)
    );
    for cheap in [
        hash(PasswordHash::Plain, "$2b$12$"),
        hash(PasswordHash::Sha1, "$2b$12$"),
        hash(PasswordHash::SaltedSha1, "$2b$12$"),
        hash(PasswordHash::Bcrypt, "$2b$"),
    ] {
        assert_eq!(cost(&cheap), NO_COST);
    }
}

#[test]
fn a_password_longer_than_crypt_takes_is_nobodys_and_costs_nothing() {
    let long = "x".repeat(MAX_CRYPT + 1);
    let sha = "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA";
    assert!(!is_right(Some(&hash(PasswordHash::ShaCrypt, sha)), &long));
    assert!(is_right(Some(&hash(PasswordHash::Plain, &long)), &long));
}
