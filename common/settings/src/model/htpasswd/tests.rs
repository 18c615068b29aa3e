//! Lines of users, and what is wrong with them.

use super::*;

fn only(line: &str) -> Result<PasswordHash, String> {
    let users = Htpasswd::users(&format!("\n# people\n{line}\n"))?;
    Ok(users.into_iter().next().unwrap().1)
}

#[test]
fn a_kind_is_known_by_how_it_begins() {
    let bcrypt = format!("$2y$05${}", "a".repeat(53));
    let secret = |text: &str| Secret::new(text.to_owned());
    for (hash, known) in [
        (bcrypt.as_str(), PasswordHash::Bcrypt(secret(&bcrypt))),
        (
            "$apr1$x$1bNT.m49SdOayuPT6wXeH1",
            PasswordHash::Md5Crypt(secret("$apr1$x$1bNT.m49SdOayuPT6wXeH1")),
        ),
        (
            "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
            PasswordHash::Sha1(secret("5en6G6MezRroT3XKqkdPOmY/BfQ=")),
        ),
        ("{PLAIN}a:b", PasswordHash::Plain(secret("a:b"))),
        ("a:b", PasswordHash::Plain(secret("a:b"))),
    ] {
        assert_eq!(only(&format!("ann:{hash}")), Ok(known), "{hash}");
    }
}

#[test]
fn a_line_that_cannot_be_used_is_told_by_its_number_and_with_what_to_do() {
    for (line, words) in [
        ("ann", "is not `user:hash`"),
        (":hash", "is not `user:hash`"),
        ("ann:", "no password"),
        // A shell, or a configuration, has taken `$2y` and `$05` for variables.
        ("ann:$2y$", "a dollar sign of it is missing"),
        ("ann:$apr1$salt", "cut off"),
        ("ann:$apr1$salt$short", "cut off"),
        ("ann:{SHA}abc", "cut off"),
        ("ann:$5$rounds=1$salt$hash", "cut off"),
        ("ann:$argon2id$v=19$hash", "htpasswd -B"),
        ("ann:{CRYPT}hash", "htpasswd -B"),
    ] {
        let told = only(line).unwrap_err();
        assert!(
            told.starts_with("line 3 ") && told.contains(words),
            "{told}"
        );
        assert!(!told.contains("salt"), "{told}");
    }
}
