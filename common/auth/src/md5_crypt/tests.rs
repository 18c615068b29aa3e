//! Against what `openssl passwd -apr1` and `openssl passwd -1` have made.

use super::*;

const VECTORS: [(&str, &str); 7] = [
    ("secret", "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/"),
    ("y", "$apr1$x$1bNT.m49SdOayuPT6wXeH1"),
    (
        "correct-horse-battery-staple",
        "$apr1$12345678$2XI9w7LhAkq32WSgJsGyg1",
    ),
    ("pässwörter", "$apr1$rundgang$7ySlDRu8lwR3tYHbT3AWc."),
    ("", "$apr1$empty$2xqo3.Kvhs0trRzrejcx41"),
    ("secret", "$1$saltsalt$9xy1btjgzLYfb7hivXtC//"),
    ("0123456789abcdef", "$1$ab$KPbsrH8h5k2KfaQeRBFJY/"),
];

#[test]
fn what_openssl_has_made_is_right_and_nothing_else() {
    for (password, hash) in VECTORS {
        assert!(is_right(hash, password.as_bytes()), "{hash}");
        let longer = format!("{password}x");
        assert!(!is_right(hash, longer.as_bytes()), "{hash}");
        let other = hash.replacen('$', "$1$", 1);
        assert!(!is_right(&other, password.as_bytes()), "{other}");
    }
}

#[test]
fn what_is_cut_off_is_nobodys() {
    let (password, whole) = VECTORS[0];
    for end in 0..whole.len() {
        assert!(!is_right(&whole[..end], password.as_bytes()), "{end}");
    }
}
