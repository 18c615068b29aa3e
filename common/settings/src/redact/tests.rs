//! What is hidden, and what is not.

use super::*;

#[test]
fn secrets_are_known_by_their_keys() {
    for key in [
        "headers",
        "Authorization",
        "password",
        "bearer_token",
        "X-Api-Key",
        "client_secret",
        "key_pem",
    ] {
        assert!(is_secret(key), "{key}");
    }
    for key in [
        "key_file",
        "endpoint",
        "cert_pem",
        "metadata_keys",
        "token_url",
        "password_file",
        "keepalive",
    ] {
        assert!(!is_secret(key), "{key}");
    }
    assert!(is_secret_path("exporters.otlp.headers.X-Scope-OrgID"));
    assert!(!is_secret_path("exporters.otlp.tls.key_file"));
}

#[test]
fn urls_lose_their_user_and_password() {
    for (text, shown) in [
        ("http://u:p@host:1/x", "http://[hidden]@host:1/x"),
        ("`https://u:p@w@host` is", "`https://[hidden]@host` is"),
        ("http://host/a@b", "http://host/a@b"),
        ("a://x, b://u@y", "a://x, b://[hidden]@y"),
        ("no url: a@b", "no url: a@b"),
    ] {
        assert_eq!(urls(text), shown);
    }
}

#[test]
fn lines_and_messages_show_no_secret() {
    for (key, text, shown) in [
        ("", "  password: abc", "  password: [hidden]"),
        ("", "  für: abc", "  für: abc"),
        ("", "größe: {token: abc}", "größe: {token: [hidden]"),
        (
            "",
            "otlp: {endpoint: x, headers: {A: abc}}",
            "otlp: {endpoint: x, headers: [hidden]",
        ),
        (
            "",
            "  \"Authorization\": abc",
            "  \"Authorization\": [hidden]",
        ),
        ("e.o.headers.X-Org", "  X-Org: abc", "  X-Org: [hidden]"),
        ("e.o.headers", "    abc", "     [hidden]"),
        ("e.o.headers", "  headers:", "  headers:"),
        ("e.o.endpoint", "  endpoint: abc", "  endpoint: abc"),
    ] {
        assert_eq!(line(key, text), shown);
    }
    let said = message("a.headers", "a map was expected, not `Bearer abc`");
    assert_eq!(said, "a map was expected, not `[hidden]`");
    assert_eq!(message("a.b", "not `x`"), "not `x`");
}
