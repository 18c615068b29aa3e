//! Container images FROM scratch, one for each binary, made without any container tool: an OCI layout below `target/images`.
//!
//! The same sources, toolchain and C library give the same bytes: binaries know neither the machine's paths nor the time, archives are in
//! order, and every time in them is that of the commit. What is in an image is in [`contents`].

mod contents;
mod layout;
mod sbom;

use crate::fail::{Outcome, bail};
use crate::process::fresh_folder;
use crate::{sh, tools};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Who everything in an image runs as; the chart says the same.
pub(crate) const USER: u64 = 65532;

/// How binaries are built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// To be shipped: the profile `image`.
    Release,
    /// To be tried: the profile `dev`, quickly packed.
    Debug,
}

/// What images are made of.
pub(crate) struct Source {
    /// `cargo metadata` of the workspace.
    metadata: Value,
    version: String,
    revision: String,
    /// Seconds since 1970: of the commit, or `SOURCE_DATE_EPOCH`.
    epoch: u64,
    build: Build,
}

/// `cargo xtask image [--twice]`
pub(crate) fn run(twice: bool) -> Outcome {
    let source = Source::read(Build::Release)?;
    let folder = fresh_folder("images")?;
    let built = source.build(&sh::root(), &sh::target())?;
    let digests = source.pack(&built, &folder)?;
    if twice {
        let again = again(&source)?;
        if digests != again {
            bail!("the second build is another one:\n  {digests:?}\n  {again:?}");
        }
        println!("built twice, from two folders: the same digests");
    }
    println!("podman pull oci:{}/NAME, or skopeo copy", folder.display());
    Ok(())
}

/// The committed sources in another folder, built from nothing; gives digests.
fn again(source: &Source) -> Outcome<Vec<(String, String)>> {
    let folder = fresh_folder("images-again")?;
    let sources = folder.join("sources");
    fs::create_dir_all(&sources)?;
    let archive = folder.join("sources.tar");
    let [archive, to] = [&archive, &sources].map(|path| path.to_string_lossy().into_owned());
    sh::run("git", ["archive", "--output", &archive, "HEAD"])?;
    sh::run("tar", ["-xf", &archive, "-C", &to])?;
    let built = source.build(&sources, &folder.join("target"))?;
    source.pack(&built, &fresh_folder("images-again/images")?)
}

impl Source {
    pub(crate) fn read(build: Build) -> Outcome<Self> {
        let words = ["metadata", "--format-version", "1", "--locked"];
        let metadata = output("cargo", &words, &["--filter-platform", &target()])?;
        let metadata: Value = serde_json::from_str(&metadata)?;
        let epoch = match std::env::var_os("SOURCE_DATE_EPOCH") {
            Some(epoch) => epoch.to_string_lossy().parse()?,
            None => output("git", &["show", "-s", "--format=%ct", "HEAD"], &[])?.parse()?,
        };
        let dirty = !output("git", &["status", "--porcelain"], &[])?.is_empty();
        let revision = output("git", &["rev-parse", "HEAD"], &[])?;
        Ok(Self {
            version: package(&metadata, "penstock-receiver")?["version"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            metadata,
            revision: revision + if dirty { "-dirty" } else { "" },
            epoch,
            build,
        })
    }

    /// Every program of the product, each with its package.
    pub(crate) fn binaries(&self) -> Vec<(String, &Value)> {
        let packages = self.metadata["packages"].as_array().into_iter().flatten();
        let mut binaries: Vec<_> = packages
            .flat_map(|package| {
                let targets = package["targets"].as_array().into_iter().flatten();
                let programs = targets.filter(|target| target["kind"][0] == "bin");
                let names = programs.filter_map(|target| target["name"].as_str());
                names.map(move |name| (name.to_owned(), package))
            })
            .filter(|(name, _)| name.starts_with("penstock-"))
            .collect();
        binaries.sort_by(|one, other| one.0.cmp(&other.0));
        binaries
    }

    /// Builds static programs of the sources at `root`; gives their folder.
    pub(crate) fn build(&self, root: &Path, into: &Path) -> Outcome<PathBuf> {
        let (profile, below) = match self.build {
            Build::Release => ("image", "image"),
            Build::Debug => ("dev", "debug"),
        };
        let mut flags = "-C target-feature=+crt-static".to_owned();
        if self.build == Build::Release {
            let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
            let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
            // The last one that fits counts.
            for (path, name) in [
                (Some(root.to_path_buf()), "/penstock"),
                (Some(into.to_path_buf()), "/target"),
                (home, "/cargo"),
            ] {
                if let Some(path) = path {
                    flags.push_str(&format!(" --remap-path-prefix={}={name}", path.display()));
                }
            }
        }
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args(["build", "--locked", "--profile", profile])
            .args(["--target", &target(), "--target-dir"])
            .arg(into)
            .env("RUSTFLAGS", &flags)
            .current_dir(root)
            .stdin(Stdio::null());
        if self.build == Build::Debug {
            // It is made for one try: the sooner the better.
            cargo
                .args(["--config", "profile.dev.debug=false"])
                .args(["--config", "profile.dev.strip=\"debuginfo\""])
                .args(["--config", "profile.dev.package.\"*\".opt-level=0"]);
        }
        for (binary, _) in self.binaries() {
            cargo.args(["--bin", &binary]);
        }
        eprintln!("$ RUSTFLAGS=\"{flags}\" {cargo:?}");
        if !cargo.status()?.success() {
            bail!("the static build failed");
        }
        Ok(into.join(target()).join(below))
    }

    /// Packs every program found in `built`, each as a layout of its own in `into`, with its SBOM beside it; gives the digests of their manifests.
    pub(crate) fn pack(&self, built: &Path, into: &Path) -> Outcome<Vec<(String, String)>> {
        let mut digests = Vec::new();
        for (name, package) in self.binaries() {
            let sbom = sbom::write(self, &name, package)?;
            fs::write(into.join(format!("{name}.cdx.json")), &sbom)?;
            let program = fs::read(built.join(&name))?;
            let contents = contents::of(&name, program, sbom);
            let about = layout::About {
                description: package["description"].as_str().unwrap_or_default(),
                name: &name,
                source: self,
                created: self.created()?,
            };
            let packed = layout::write(&into.join(&name), &about, &contents)?;
            let faults = layout::faults(&into.join(&name))?;
            if !faults.is_empty() {
                bail!("the layout of {name} has faults: {}", faults.join(", "));
            }
            println!("{name} {} {} bytes", packed.digest, packed.bytes);
            digests.push((name, packed.digest));
        }
        Ok(digests)
    }

    /// Holds every SBOM in a folder of images to CycloneDX's schema.
    pub(crate) fn check_sboms(&self, images: &Path) -> Outcome {
        let python = tools::python()?.to_string_lossy().into_owned();
        let names = self.binaries().into_iter();
        let files = names.map(|(name, _)| images.join(format!("{name}.cdx.json")));
        let script = PathBuf::from("integration-tests/peers/sbom.py");
        sh::run(&python, [script].into_iter().chain(files))
    }

    /// The time of everything in an image.
    fn created(&self) -> Outcome<String> {
        let at = format!("@{}", self.epoch);
        output("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ", "-d", &at], &[])
    }
}

/// The platform that images are for: this machine's, with glibc. Linked statically: in an image from scratch there is nothing to link to.
fn target() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

fn package<'a>(metadata: &'a Value, name: &str) -> Outcome<&'a Value> {
    let mut packages = metadata["packages"].as_array().into_iter().flatten();
    let package = packages.find(|package| package["name"] == name);
    package.ok_or_else(|| format!("the workspace has no package {name}").into())
}

/// What a program says, without the last line's end.
fn output(program: &str, words: &[&str], more: &[&str]) -> Outcome<String> {
    let mut command = Command::new(program);
    command
        .args(words)
        .args(more)
        .current_dir(sh::root())
        .stdin(Stdio::null());
    let output = command.output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{program} {}: {said}", words.join(" "));
    }
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}
