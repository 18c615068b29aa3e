//! Writes certificates for a scenario: `pki FOLDER`.
//!
//! Each identity is a folder with `ca.crt`, `tls.crt` and `tls.key`, as secrets of Kubernetes have them: `server-1` and so on,
//! of which each is for a name of its own beside `localhost`, a `client`, and those that somebody has to refuse.

use penstock_testkit::{Identity, Pki};
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

/// As many as a scenario rotates through.
const SERVERS: usize = 5;
const CLIENT: &str = "client.test";

fn main() -> ExitCode {
    let Some(folder) = env::args_os().nth(1) else {
        eprintln!("pki: which folder?");
        return ExitCode::from(2);
    };
    match all(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pki: {error}");
            ExitCode::FAILURE
        }
    }
}

fn all(folder: &Path) -> io::Result<()> {
    let (own, other) = (Pki::new(), Pki::new());
    let write = |name: &str, trusted: &Pki, identity: &Identity| {
        let folder = folder.join(name);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("ca.crt"), &trusted.ca_pem)?;
        fs::write(folder.join("tls.crt"), &identity.cert_pem)?;
        fs::write(folder.join("tls.key"), &identity.key_pem)
    };
    for number in 1..=SERVERS {
        let name = format!("server-{number}");
        let names = ["localhost", "127.0.0.1", &format!("{name}.test")];
        write(&name, &own, &own.server(&names))?;
    }
    write("client", &own, &own.client(CLIENT))?;
    write("expired", &own, &own.expired(&[CLIENT]))?;
    write("another-name", &own, &own.client("other.test"))?;
    write("another-authority", &own, &other.client(CLIENT))?;
    write("distrusting", &other, &own.client(CLIENT))?;
    write(
        "server-of-another-authority",
        &own,
        &other.server(&["localhost", "127.0.0.1"]),
    )
}
