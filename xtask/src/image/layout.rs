//! An image as an OCI layout: a folder of blobs, each named after its digest, that every container tool can read.
//!
//! *Invariant:* the same contents give the same digests, whatever the time, the machine and its CPU.

use super::contents::Contents;
use super::{Build, Source, USER};
use crate::fail::{Outcome, bail};
use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use std::fs;
use std::io::{self, Write};
use std::path::Path;

#[cfg(test)]
mod tests;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// What is said of an image.
pub(super) struct About<'a> {
    pub(super) name: &'a str,
    pub(super) description: &'a str,
    pub(super) source: &'a Source,
    /// In RFC 3339.
    pub(super) created: String,
}

/// What came of it.
pub(super) struct Packed {
    /// Of the manifest: what a deployment may name.
    pub(super) digest: String,
    /// Of the layer, as it is downloaded.
    pub(super) bytes: usize,
}

/// Writes the layout to the folder `into`.
pub(super) fn write(into: &Path, about: &About<'_>, contents: &Contents) -> Outcome<Packed> {
    fs::create_dir_all(into.join("blobs/sha256"))?;
    let archive = archive(contents, about.source.epoch)?;
    let layer = compressed(&archive, about.source.build)?;
    let annotations = annotations(about);
    let entrypoint = format!("/usr/bin/{}", about.name);
    let ports = if about.name == "penstock-receiver" {
        json!({"4317/tcp": {}, "4318/tcp": {}, "8888/tcp": {}})
    } else {
        json!({"4400/tcp": {}, "8888/tcp": {}})
    };
    let config = json!({
        "architecture": match std::env::consts::ARCH { "x86_64" => "amd64", "aarch64" => "arm64", other => other },
        "os": "linux",
        "created": about.created,
        "config": {
            "User": format!("{USER}:{USER}"),
            "Entrypoint": [entrypoint],
            "Env": ["PATH=/usr/bin"],
            "WorkingDir": "/",
            "ExposedPorts": ports,
            "StopSignal": "SIGTERM",
            "Labels": annotations,
        },
        "rootfs": {"type": "layers", "diff_ids": [hash(&archive)]},
        "history": [{"created": about.created, "created_by": "cargo xtask image"}],
    });
    let config = blob(into, CONFIG, config.to_string().as_bytes())?;
    let bytes = layer.len();
    let layer = blob(into, LAYER, &layer)?;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer], "annotations": annotations,
    });
    let mut manifest = blob(into, MANIFEST, manifest.to_string().as_bytes())?;
    let digest = manifest["digest"].as_str().unwrap_or_default().to_owned();
    manifest["annotations"] = json!({"org.opencontainers.image.ref.name": about.source.version});
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    fs::write(into.join("index.json"), index.to_string())?;
    fs::write(
        into.join("oci-layout"),
        "{\"imageLayoutVersion\":\"1.0.0\"}",
    )?;
    Ok(Packed { digest, bytes })
}

/// The names that OCI has for what everybody asks.
fn annotations(about: &About<'_>) -> Value {
    json!({
        "org.opencontainers.image.title": about.name,
        "org.opencontainers.image.description": about.description,
        "org.opencontainers.image.version": about.source.version,
        "org.opencontainers.image.revision": about.source.revision,
        "org.opencontainers.image.created": about.created,
        "org.opencontainers.image.licenses": "Apache-2.0",
    })
}

/// Files in order, all of one time.
fn archive(contents: &Contents, epoch: u64) -> Outcome<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, entry) in contents {
        let mut header = tar::Header::new_ustar();
        let bytes = entry.bytes.as_deref();
        header.set_entry_type(if bytes.is_some() {
            tar::EntryType::Regular
        } else {
            tar::EntryType::Directory
        });
        header.set_mode(entry.mode);
        header.set_uid(entry.owner);
        header.set_gid(entry.owner);
        header.set_mtime(epoch);
        let bytes = bytes.unwrap_or_default();
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, path, bytes)?;
    }
    Ok(archive.into_inner()?)
}

/// With the highest level, at which zlib's result does not depend on what the CPU can do.
fn compressed(archive: &[u8], build: Build) -> Outcome<Vec<u8>> {
    let level = match build {
        Build::Release => Compression::best(),
        Build::Debug => Compression::fast(),
    };
    let mut zip = GzBuilder::new().mtime(0).write(Vec::new(), level);
    zip.write_all(archive)?;
    Ok(zip.finish()?)
}

fn hash(bytes: &[u8]) -> String {
    let hash = digest(&SHA256, bytes);
    let hex: Vec<_> = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{}", hex.concat())
}

/// Writes a blob; gives its descriptor.
fn blob(layout: &Path, kind: &str, bytes: &[u8]) -> Outcome<Value> {
    let digest = hash(bytes);
    fs::write(layout.join("blobs").join(digest.replace(':', "/")), bytes)?;
    Ok(json!({"mediaType": kind, "digest": digest, "size": bytes.len()}))
}

/// What is wrong with the layout in a folder: digests, sizes, and what a pod needs of an image.
pub(super) fn faults(layout: &Path) -> Outcome<Vec<String>> {
    let mut faults = Vec::new();
    let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json"))?)?;
    let manifest: Value =
        serde_json::from_slice(&read(layout, &index["manifests"][0], &mut faults)?)?;
    let config: Value = serde_json::from_slice(&read(layout, &manifest["config"], &mut faults)?)?;
    let layer = read(layout, &manifest["layers"][0], &mut faults)?;
    let mut archive = Vec::new();
    io::copy(&mut GzDecoder::new(layer.as_slice()), &mut archive)?;
    if config["rootfs"]["diff_ids"] != json!([hash(&archive)]) {
        faults.push("diff_ids are not those of the layer".to_owned());
    }
    if config["config"]["User"] != format!("{USER}:{USER}") {
        faults.push("does not run as a user without rights".to_owned());
    }
    let blobs = fs::read_dir(layout.join("blobs/sha256"))?.count();
    if blobs != 3 {
        faults.push(format!("has {blobs} blobs instead of 3"));
    }
    let entrypoint = config["config"]["Entrypoint"][0].as_str().unwrap_or("/");
    faults.extend(layer_faults(&archive, entrypoint.trim_start_matches('/'))?);
    Ok(faults)
}

/// A blob, which must be what its descriptor says.
fn read(layout: &Path, descriptor: &Value, faults: &mut Vec<String>) -> Outcome<Vec<u8>> {
    let Some(digest) = descriptor["digest"].as_str() else {
        bail!("{descriptor} has no digest");
    };
    let bytes = fs::read(layout.join("blobs").join(digest.replace(':', "/")))?;
    if hash(&bytes) != digest || descriptor["size"] != bytes.len() {
        faults.push(format!("{digest} is not what it is called"));
    }
    Ok(bytes)
}

/// Files in order, of one time, and the program among them.
fn layer_faults(archive: &[u8], program: &str) -> Outcome<Vec<String>> {
    let mut faults = Vec::new();
    let (mut before, mut times, mut runs) = (String::new(), Vec::new(), false);
    for entry in tar::Archive::new(archive).entries()? {
        let entry = entry?;
        let path = entry.path()?.to_string_lossy().into_owned();
        let header = entry.header();
        if path <= before {
            faults.push(format!("{path} is not in order"));
        }
        runs |= path == program && header.mode()? & 0o111 == 0o111;
        times.push(header.mtime()?);
        before = path;
    }
    times.dedup();
    if times.len() != 1 {
        faults.push("files are not of one time".to_owned());
    }
    if !runs {
        faults.push(format!("{program} is not there to be run"));
    }
    Ok(faults)
}
