//! Who is let in, and what a changed file changes.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use penstock_settings::{BearerTokens, Htpasswd, Secret, Tokens};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn bearer(tokens: Tokens) -> Authenticator {
    Authenticator::Bearer(BearerTokens {
        header: "authorization".to_owned(),
        scheme: "Bearer".to_owned(),
        tokens,
    })
}

fn htpasswd(file: Option<&Path>, inline: &str) -> Authenticator {
    Authenticator::Basic(Htpasswd {
        file: file.map(Path::to_owned),
        inline: Some(Secret::new(inline.to_owned())),
    })
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

async fn check(auth: &Auth, given: &str) -> Result<(), Denied> {
    auth.check(Some(given.as_bytes())).await
}

#[tokio::test]
async fn a_token_of_the_list_is_let_in_and_nothing_else() {
    let tokens = ["one", "two"].map(|token| Secret::new(token.to_owned()));
    let auth = Auth::new("auth", &bearer(Tokens::Fixed(tokens.to_vec()))).unwrap();
    for right in ["Bearer one", "bearer two", "Bearer  two "] {
        assert_eq!(check(&auth, right).await, Ok(()), "{right}");
    }
    for wrong in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer on",
        "Bearer onex",
        "Basic one",
        "one",
        "Bearerone",
    ] {
        assert_eq!(check(&auth, wrong).await, Err(Denied::Wrong), "{wrong}");
    }
    assert_eq!(auth.check(None).await, Err(Denied::Missing));
}

#[tokio::test]
async fn a_file_of_tokens_counts_as_it_is_and_an_empty_one_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tokens");
    fs::write(&path, "old\n\n").unwrap();
    let auth = Auth::new("auth", &bearer(Tokens::File(path.clone()))).unwrap();
    assert_eq!(check(&auth, "Bearer old").await, Ok(()));
    assert!(!auth.look().unwrap(), "nothing has changed");
    fs::write(&path, "old\nnew\n").unwrap();
    assert!(auth.look().unwrap());
    assert_eq!(check(&auth, "Bearer new").await, Ok(()));
    fs::write(&path, "new\n").unwrap();
    assert!(auth.look().unwrap());
    assert_eq!(check(&auth, "Bearer old").await, Err(Denied::Wrong));
    fs::write(&path, "\n").unwrap();
    assert!(auth.look().is_err());
    fs::remove_file(&path).unwrap();
    assert!(auth.look().is_err());
    assert_eq!(check(&auth, "Bearer new").await, Ok(()));
    assert_eq!(check(&auth, "Bearer ").await, Err(Denied::Wrong));
}

/// `secret`, by every kind of hash: of `htpasswd`, `openssl passwd`, `mkpasswd` and LDAP.
const SECRET: &str = "# people
apache:$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/
md5:$1$saltsalt$9xy1btjgzLYfb7hivXtC//
sha:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=

ssha:{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0
sha256:$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA
sha512:$6$abcdefghijklmnop$J/AWykHqo2Tx5UtavGnFc3ytI33la50JpzLTarSWVhkIXK6wOjNwwZjsrIw2UgmrER2EKrSHCeQyAINEEXAk1/
rounds:$6$rounds=10000$abc$3DDOWZMNRRKDT142bUtYQRY52ycK/xshRXOQgIyt2QRXzLDnoPq6v4lO9bA3f/JhGz1mHrAh.QUDGHmaE5RxP.
plain:secret
nginx:{PLAIN}secret";

#[tokio::test]
async fn passwords_are_compared_with_every_kind_of_hash() {
    // bcrypt at its least cost, so that the test is not slow.
    let bcrypt = bcrypt::hash("secret", 4).unwrap();
    let lines = format!("{SECRET}\nbcrypt:{bcrypt}\n");
    let auth = Auth::new("auth", &htpasswd(None, &lines)).unwrap();
    for user in [
        "apache", "md5", "sha", "ssha", "sha256", "sha512", "rounds", "plain", "nginx", "bcrypt",
    ] {
        assert_eq!(check(&auth, &basic(user, "secret")).await, Ok(()), "{user}");
        assert_eq!(
            check(&auth, &basic(user, "Secret")).await,
            Err(Denied::Wrong),
            "{user}"
        );
        assert_eq!(check(&auth, &basic(user, "secret")).await, Ok(()), "again");
    }
    for wrong in [
        "",
        "Basic",
        "Basic !!",
        "Bearer YW5uOnNlY3JldA==",
        "Basic YW5u",
    ] {
        assert_eq!(check(&auth, wrong).await, Err(Denied::Wrong), "{wrong}");
    }
    assert_eq!(
        check(&auth, &basic("dora", "secret")).await,
        Err(Denied::Wrong)
    );
}

#[tokio::test]
async fn what_was_right_is_forgotten_when_the_users_are_others() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("htpasswd");
    fs::write(&path, "ann:old").unwrap();
    let auth = Auth::new("auth", &htpasswd(Some(&path), "bob:still")).unwrap();
    for _ in 0..2 {
        assert_eq!(check(&auth, &basic("ann", "old")).await, Ok(()));
    }
    fs::write(&path, "ann:new").unwrap();
    assert!(auth.look().unwrap());
    assert_eq!(check(&auth, &basic("ann", "old")).await, Err(Denied::Wrong));
    assert_eq!(check(&auth, &basic("ann", "new")).await, Ok(()));
    assert_eq!(check(&auth, &basic("bob", "still")).await, Ok(()));
}

#[tokio::test]
async fn an_emptied_file_locks_nobody_out() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("htpasswd");
    fs::write(&path, "ann:secret").unwrap();
    let auth = Auth::new("auth", &htpasswd(Some(&path), "bob:still")).unwrap();
    for emptied in ["", "# nobody\n", "ann:"] {
        fs::write(&path, emptied).unwrap();
        assert!(auth.look().is_err(), "{emptied:?}");
        assert_eq!(check(&auth, &basic("ann", "secret")).await, Ok(()));
    }
}

#[tokio::test]
async fn calls_that_are_cut_off_do_not_hash_beside_each_other_and_only_some_wait() {
    let slow = bcrypt::hash("secret", 11).unwrap();
    let auth = Auth::new("auth", &htpasswd(None, &format!("ann:{slow}"))).unwrap();
    let Kind::Basic(users) = &auth.kind else {
        unreachable!("made so")
    };
    let right = basic("ann", "secret");
    let mut cut_off = Box::pin(check(&auth, &right));
    assert!(futures_util::poll!(&mut cut_off).is_pending());
    drop(cut_off);
    assert_eq!(users.hashing_now(), 1, "its password is still hashed");
    let wrong: Vec<_> = (0..40)
        .map(|number| basic("ann", &number.to_string()))
        .collect();
    let mut waiting: Vec<_> = wrong
        .iter()
        .map(|given| Box::pin(check(&auth, given)))
        .collect();
    let mut busy = 0;
    for call in &mut waiting {
        if futures_util::poll!(call) == std::task::Poll::Ready(Err(Denied::Busy)) {
            busy += 1;
        }
    }
    assert_eq!(busy, 40 - 32);
    drop(waiting);
    assert_eq!(check(&auth, &right).await, Ok(()));
}

#[test]
fn a_hash_that_is_not_known_is_told_by_its_line_and_not_by_its_text() {
    let error = Auth::new("auth", &htpasswd(None, "ann:x\nbob:$argon2id$hash")).unwrap_err();
    let told = error.to_string();
    assert!(
        told.contains("line 2") && !told.contains("argon2"),
        "{told}"
    );
    assert!(told.contains("htpasswd.inline"), "{told}");
}

#[test]
fn what_senders_know_is_not_shown() {
    let people = Auth::new("auth", &htpasswd(None, "ann:hush")).unwrap();
    let tokens = Tokens::Fixed(vec![Secret::new("hush".to_owned())]);
    let tokens = Auth::new("auth", &bearer(tokens)).unwrap();
    assert!(!format!("{people:?}{tokens:?}").contains("hush"));
}
