//! The settings reader's law over real files that somebody has damaged.
//!
//! The law itself lives beside the fuzz target, which runs it on what a fuzzer invents.

#![expect(
    clippy::unwrap_used,
    reason = "a panic with a message is how a test fails"
)]

use proptest::prelude::*;
use std::path::Path;

#[path = "../../../fuzz/src/settings.rs"]
mod law;

fn corpus() -> Vec<Vec<u8>> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/config");
    let folders = ["accepted", "broken"].map(|folder| fixtures.join(folder));
    let entries = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "yaml")
    });
    files.sort();
    files
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

#[test]
fn every_file_of_the_corpus_keeps_the_law() {
    for file in corpus() {
        law::settings(&file);
    }
}

proptest! {
    #[test]
    fn damaged_files_keep_the_law(
        which in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        cut in 0_usize..40,
        insert in "[a-z:\\-{}\\[\\],&*<$~ \n\"'#0-9\0]{0,12}|\\$\\{(ONE|LIST|AGAIN|CIRCLE|NONE)\\}|a::b: 1\n",
    ) {
        let corpus = corpus();
        let mut file = which.get(&corpus).clone();
        let at = at.index(file.len() + 1);
        let end = (at + cut).min(file.len());
        file.splice(at..end, insert.bytes());
        file.push(0);
        file.extend(other.get(&corpus));
        law::settings(&file);
    }
}
