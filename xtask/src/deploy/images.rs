//! The chart names the images that there are, and each of them.

use super::{EVERY_EXPORTER, RENDERED_FOR, TOPOLOGIES, judge, template_with};
use crate::fail::{Outcome, bail};
use crate::image::{Build, Source};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What a configuration with every exporter makes the chart ask for, against the programs of the workspace.
pub(super) fn faults(helm: &Path, folder: &Path) -> Outcome<Vec<String>> {
    let file = folder.join("every-exporter.yaml");
    let case = &TOPOLOGIES[0];
    fs::write(
        &file,
        template_with(helm, EVERY_EXPORTER, case, RENDERED_FOR)?,
    )?;
    let [verdict] = &judge(RENDERED_FOR, case.mesh[0], &[file])?[..] else {
        bail!("not one file");
    };
    let mut named = BTreeSet::new();
    for object in &verdict.objects {
        let containers = &object["spec"]["template"]["spec"]["containers"];
        for container in containers.as_array().into_iter().flatten() {
            let image = container["image"].as_str().unwrap_or_default();
            let name = image.rsplit('/').next().unwrap_or_default();
            named.insert(name.split(':').next().unwrap_or_default().to_owned());
        }
    }
    let source = Source::read(Build::Debug)?;
    let made: BTreeSet<_> = source
        .binaries()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let unknown = named.difference(&made);
    let mut faults: Vec<_> = unknown
        .map(|name| format!("the chart asks for the image {name}, which is not made"))
        .collect();
    let unused = made.difference(&named);
    faults.extend(unused.map(|name| format!("the chart asks nowhere for the image {name}")));
    Ok(faults)
}
