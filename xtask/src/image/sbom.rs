//! What a program is made of, as CycloneDX: every crate that is linked into it, with version, licence and checksum, and the C library.

use super::{Source, output};
use crate::fail::Outcome;
use crate::sh;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

#[cfg(test)]
mod tests;

/// The document for the program `name` of `package`.
pub(super) fn write(source: &Source, name: &str, package: &Value) -> Outcome<Vec<u8>> {
    let lock = fs::read_to_string(sh::root().join("Cargo.lock"))?;
    let checksums = checksums(&lock);
    let libc = output("getconf", &["GNU_LIBC_VERSION"], &[])?;
    let linked = linked(&source.metadata, text(&package["id"]));
    let packages: BTreeMap<_, _> = list(&source.metadata["packages"])
        .map(|package| (text(&package["id"]), package))
        .collect();
    let mut components: Vec<_> = linked
        .keys()
        .filter(|id| **id != text(&package["id"]))
        .map(|id| component(packages[id], &checksums))
        .collect();
    if let Some((name, version)) = libc.split_once(' ') {
        components.push(json!({
            "type": "library", "bom-ref": name, "name": name, "version": version,
            "licenses": [{"expression": "LGPL-2.1-or-later"}],
        }));
    }
    let reference = |id: &&str| purl(packages[id]);
    let dependencies: Vec<_> = linked
        .iter()
        .map(|(id, needs)| {
            let needs: Vec<_> = needs.iter().map(reference).collect();
            json!({"ref": reference(id), "dependsOn": needs})
        })
        .collect();
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": source.created()?,
            "component": {
                "type": "application", "bom-ref": purl(package), "name": name,
                "version": package["version"], "licenses": [{"expression": package["license"]}],
            },
        },
        "components": components,
        "dependencies": dependencies,
    });
    Ok(serde_json::to_vec(&document)?)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Crates that the one called `root` is linked with, itself among them, each with those that it uses. Not what only builds or tests it, nor macros,
/// which are gone when they have run.
fn linked<'a>(metadata: &'a Value, root: &'a str) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let macros: BTreeSet<_> = list(&metadata["packages"])
        .filter(|package| list(&package["targets"]).any(|target| target["kind"][0] == "proc-macro"))
        .map(|package| text(&package["id"]))
        .collect();
    let nodes: BTreeMap<_, _> = list(&metadata["resolve"]["nodes"])
        .map(|node| (text(&node["id"]), node))
        .collect();
    let mut linked = BTreeMap::new();
    let mut open = vec![root];
    while let Some(id) = open.pop() {
        if linked.contains_key(id) {
            continue;
        }
        let needs = nodes
            .get(id)
            .into_iter()
            .flat_map(|node| list(&node["deps"]));
        let needs =
            needs.filter(|need| list(&need["dep_kinds"]).any(|kind| kind["kind"].is_null()));
        let needs: BTreeSet<_> = needs
            .map(|need| text(&need["pkg"]))
            .filter(|id| !macros.contains(id))
            .collect();
        open.extend(&needs);
        linked.insert(id, needs);
    }
    linked
}

fn component(package: &Value, checksums: &BTreeMap<(&str, &str), &str>) -> Value {
    let mut component = json!({
        "type": "library", "bom-ref": purl(package), "name": package["name"], "version": package["version"],
        "purl": purl(package),
        // As it was written before there were expressions.
        "licenses": [{"expression": text(&package["license"]).replace('/', " OR ")}],
    });
    if let Some(sum) = checksums.get(&(text(&package["name"]), text(&package["version"]))) {
        component["hashes"] = json!([{"alg": "SHA-256", "content": sum}]);
    }
    component
}

fn purl(package: &Value) -> String {
    let [name, version] = ["name", "version"].map(|key| text(&package[key]));
    format!("pkg:cargo/{name}@{version}")
}

/// Checksums in Cargo.lock, by name and version.
fn checksums(lock: &str) -> BTreeMap<(&str, &str), &str> {
    lock.split("[[package]]")
        .skip(1)
        .filter_map(checksum)
        .collect()
}

fn checksum(package: &str) -> Option<((&str, &str), &str)> {
    let value = |key: &str| {
        let mut lines = package.lines();
        lines.find_map(|line| {
            line.strip_prefix(key)?
                .strip_prefix(" = \"")?
                .strip_suffix('"')
        })
    };
    Some(((value("name")?, value("version")?), value("checksum")?))
}
