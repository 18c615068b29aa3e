//! Layouts that are sound, and layouts that are not.

use super::*;
use crate::image::contents;
use std::path::PathBuf;

fn source(epoch: u64) -> Source {
    Source {
        metadata: Value::Null,
        version: "1.2.3".to_owned(),
        revision: "abc".to_owned(),
        epoch,
        build: Build::Release,
    }
}

/// The layout of an image with a small program.
fn written(name: &str, source: &Source) -> (PathBuf, Packed) {
    let folder = crate::process::fresh_folder(&format!("test-image/{name}")).unwrap();
    let contents = contents::of("penstock-receiver", b"program".to_vec(), b"{}".to_vec());
    let about = About {
        name: "penstock-receiver",
        description: "Receives.",
        source,
        created: "2026-01-01T00:00:00Z".to_owned(),
    };
    let packed = write(&folder, &about, &contents).unwrap();
    (folder, packed)
}

#[test]
fn the_same_contents_give_the_same_digest_and_others_another() {
    let (folder, one) = written("same", &source(7));
    assert_eq!(faults(&folder).unwrap(), Vec::<String>::new());
    assert_eq!(one.digest, written("again", &source(7)).1.digest);
    assert_ne!(one.digest, written("later", &source(8)).1.digest);
}

#[test]
fn a_layout_that_was_tampered_with_is_told() {
    let (folder, packed) = written("broken", &source(7));
    let manifest = folder.join("blobs").join(packed.digest.replace(':', "/"));
    let mut text = fs::read_to_string(&manifest).unwrap();
    text.push(' ');
    fs::write(&manifest, text).unwrap();
    let told = faults(&folder).unwrap();
    assert!(
        told.len() == 1 && told[0].contains("is not what it is called"),
        "{told:?}"
    );
}

#[test]
fn a_layer_has_its_program_in_order_and_of_one_time() {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, time) in [("b", 1), ("a", 2)] {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_mtime(time);
        header.set_size(0);
        builder.append_data(&mut header, path, &b""[..]).unwrap();
    }
    let archive = builder.into_inner().unwrap();
    assert_eq!(
        layer_faults(&archive, "a").unwrap(),
        [
            "a is not in order",
            "files are not of one time",
            "a is not there to be run"
        ]
    );
}
