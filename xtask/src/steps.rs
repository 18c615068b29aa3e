//! The steps of continuous integration, the same on a laptop.

use crate::fail::{Outcome, bail};
use crate::{bench, confmap, deploy, e2e, frontdoor, sh, tidy, tools};
use std::fs;
use std::process::Command;

/// Everything that must pass, from a machine with nothing but Rust.
pub(crate) fn test() -> Outcome {
    tools::system_packages()?;
    ci()?;
    deploy::check()?;
    confmap::run(false)?;
    e2e::run(&[])?;
    frontdoor::run()?;
    bench::smoke()
}

/// All steps in order.
pub(crate) fn ci() -> Outcome {
    fmt()?;
    tidy::run()?;
    lint()?;
    doc()?;
    unit()?;
    deny()
}

pub(crate) fn fmt() -> Outcome {
    sh::cargo(&["fmt", "--all", "--check"])
}

pub(crate) fn lint() -> Outcome {
    sh::cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ])
}

pub(crate) fn doc() -> Outcome {
    sh::cargo(&[
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
        "--quiet",
    ])
}

/// Unit and integration tests. The binaries are built first: the integration tests run them.
pub(crate) fn unit() -> Outcome {
    binaries(false)?;
    sh::cargo(&["test", "--workspace"])
}

/// Writes the docs that are made of the code; a test holds them to it.
pub(crate) fn docs() -> Outcome {
    binaries(false)?;
    let page = Command::new(sh::target().join("debug/docs")).output()?;
    if !page.status.success() {
        bail!("the page of metrics was not made");
    }
    fs::write(sh::root().join("docs/metrics.md"), page.stdout)?;
    Ok(())
}

/// Builds every binary of the product.
pub(crate) fn binaries(release: bool) -> Outcome {
    let mut arguments = vec!["build", "--workspace", "--bins"];
    // Asked for examples, cargo unites the features of dev-dependencies with the others, as it does for tests: what is built
    // here is not built again for them. A release has only what it needs.
    arguments.push(if release { "--release" } else { "--examples" });
    sh::cargo(&arguments)
}

/// Licences, duplicates and sources of dependencies; needs cargo-deny.
pub(crate) fn deny() -> Outcome {
    if !sh::answers("cargo", &["deny", "--version"]) {
        eprintln!(
            "deny: skipped, cargo-deny is not installed (`cargo install --locked cargo-deny`)"
        );
        return Ok(());
    }
    sh::run("cargo", ["deny", "check", "bans", "licenses", "sources"])
}
