//! What goes with a request, and what a changed file changes.

use super::*;
use penstock_settings::Secret;
use tempfile::TempDir;

fn of(value: CredentialValue) -> ClientCredentials {
    ClientCredentials {
        setting: "extensions.x".to_owned(),
        header: "authorization".to_owned(),
        value,
    }
}

fn shown(credentials: &Credentials) -> String {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_static("another"));
    credentials.insert(&mut headers);
    assert_eq!(headers.len(), 1);
    headers["authorization"].to_str().unwrap().to_owned()
}

#[test]
fn the_first_token_of_a_file_goes_along_and_an_emptied_file_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("token");
    fs::write(&path, "\n one \ntwo\n").unwrap();
    let credentials = Credentials::new(&of(CredentialValue::Token {
        scheme: "Bearer".to_owned(),
        token: SecretText::File(path.clone()),
    }));
    let credentials = credentials.unwrap();
    assert_eq!(shown(&credentials), "Bearer one");
    assert!(!credentials.look().unwrap());
    fs::write(&path, "three").unwrap();
    assert!(credentials.look().unwrap());
    assert_eq!(shown(&credentials), "Bearer three");
    fs::write(&path, "\n").unwrap();
    let told = credentials.look().unwrap_err();
    assert!(
        told.contains("extensions.x: ") && told.contains("token: nothing in it"),
        "{told}"
    );
    assert_eq!(shown(&credentials), "Bearer three");
    assert!(!format!("{credentials:?}").contains("three"));
}

#[test]
fn a_user_may_be_written_and_the_password_in_a_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("password");
    fs::write(&path, "secret\n").unwrap();
    let credentials = Credentials::new(&of(CredentialValue::Basic {
        username: SecretText::Fixed(Secret::new("ann".to_owned())),
        password: SecretText::File(path.clone()),
    }));
    assert_eq!(shown(&credentials.unwrap()), "Basic YW5uOnNlY3JldA==");
    fs::write(&path, "a\u{1}b").unwrap();
    let token = CredentialValue::Token {
        scheme: String::new(),
        token: SecretText::File(path),
    };
    let told = Credentials::new(&of(token)).unwrap_err().to_string();
    assert!(told.contains("cannot be sent"), "{told}");
}
