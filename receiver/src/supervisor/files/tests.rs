//! Which changes of files are seen, and when.

use super::*;
use clap::Parser;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

fn files(paths: &[&Path]) -> Files {
    let mut words = vec!["penstock-receiver".to_owned()];
    for path in paths {
        words.extend(["--config".to_owned(), path.display().to_string()]);
    }
    Files::new(&Args::parse_from(words))
}

fn text(contents: &Contents) -> Vec<&str> {
    let text = |content| match content {
        &Ok(Source::Text { ref yaml, .. }) => yaml.as_str(),
        _ => "-",
    };
    contents.iter().map(text).collect()
}

/// Looks twice, as something that stands has to be seen.
fn standing(files: &Files, settled: &mut Settled) -> Contents {
    let contents = files.read();
    assert!(!settled.look(&contents), "no change");
    assert!(settled.look(&files.read()));
    contents
}

#[test]
fn a_change_counts_once_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    fs::write(&one, "1").unwrap();
    fs::write(&two, "2").unwrap();
    let files = files(&[&one, &two]);
    let mut settled = Settled(files.read());
    assert!(settled.look(&files.read()));

    // Somebody writes piece by piece.
    for piece in ["", "half", "half of"] {
        fs::write(&two, piece).unwrap();
        assert!(!settled.look(&files.read()));
    }
    fs::write(&two, "half of a file").unwrap();
    let stands = standing(&files, &mut settled);
    assert_eq!(text(&stands), ["1", "half of a file"]);

    // Written again with what was there: no change.
    fs::write(&one, "1").unwrap();
    assert!(settled.look(&files.read()));
    assert!(stands == files.read());
}

#[test]
fn a_swapped_symlink_is_a_change() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, text) in [("..1", "old"), ("..2", "new")] {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("config.yaml"), text).unwrap();
    }
    symlink("..1", at("..data")).unwrap();
    symlink("..data/config.yaml", at("config.yaml")).unwrap();
    let files = files(&[&at("config.yaml")]);
    let mut settled = Settled(files.read());
    symlink("..2", at("..data_tmp")).unwrap();
    fs::rename(at("..data_tmp"), at("..data")).unwrap();
    assert_eq!(text(&standing(&files, &mut settled)), ["new"]);
}

#[test]
fn a_file_that_has_gone_is_a_change_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    fs::write(&path, "").unwrap();
    let files = files(&[&path]);
    let mut settled = Settled(files.read());
    fs::remove_file(&path).unwrap();
    let found = files.judge(standing(&files, &mut settled), false);
    assert!(found.config.unwrap_err().contains("cannot be read"));
}

#[tokio::test(start_paused = true)]
async fn what_was_seen_otherwise_is_not_told_and_what_is_back_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    let write = |text: &str| {
        fs::write(&path, text).unwrap();
        files(&[&path]).read()
    };
    let first = write("first");
    let seen = watch::Sender::new(first);
    let (events, mut inbox) = mpsc::channel(1);
    let tasks = penstock_runtime::Tasks::new();
    tasks.spawn("watch", files(&[&path]).watch(seen.subscribe(), events));
    let mut told = async || match inbox.recv().await {
        Some(Event::Found(found)) => found.contents,
        other => panic!("{other:?}"),
    };
    // Somebody was told to look, and has seen it before the watch did; then it is taken back.
    seen.send_replace(write("second"));
    write("first");
    let back = told().await;
    assert_eq!(text(&back), ["first"]);
    seen.send_replace(back);
    let third = write("third");
    assert!(told().await == third);
}

fn config(log: &str, receivers: &str) -> Config {
    let yaml = format!(
        "
receivers: {{otlp/one: {{protocols: {{http: }}}}, otlp/two: {{protocols: {{grpc: }}}}}}
exporters: {{debug: }}
service: {{pipelines: {{traces: {{receivers: [{receivers}], exporters: [debug]}}}}}}
penstock: {{log: {{{log}}}}}
"
    );
    let name = "file".to_owned();
    let contents = vec![Ok(Source::Text { name, yaml })];
    let (sources, settings) = files(&[Path::new("file")]).settings(&contents).unwrap();
    Config::new(sources, settings).unwrap()
}

#[test]
fn what_the_next_configuration_has_no_log_for_is_known() {
    let both = config("directory: /a", "otlp/one, otlp/two");
    let one = config("directory: /a", "otlp/one");
    assert_eq!(one.strands(&both), None);
    let gone = both.strands(&one).unwrap();
    assert!(gone.contains("otlp/two"), "{gone}");
    for elsewhere in ["directory: /b", "storage: memory"] {
        let elsewhere = config(elsewhere, "otlp/one, otlp/two");
        assert!(both.strands(&elsewhere).unwrap().contains("/a"));
    }
    // It ends with nothing left anyway.
    let memory = config("storage: memory", "otlp/one, otlp/two");
    assert_eq!(memory.strands(&one), None);
}

#[test]
fn a_worker_gets_every_source_as_it_was_judged() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let yaml = "
receivers: {otlp: {protocols: {http: }}}
exporters: {debug: }
service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}
";
    fs::write(&file, yaml).unwrap();
    let file = file.display().to_string();
    let line = [
        "penstock-receiver",
        "--set",
        "penstock.log.directory=/set",
        "--config",
        &file,
        "--config",
        "yaml:penstock::log::directory: /yaml",
    ];
    let files = Files::new(&Args::parse_from(line));
    let contents = files.read();
    let (sources, settings) = files.settings(&contents).unwrap();
    let config = Config::new(sources, settings).unwrap();
    assert_eq!(config.directory.as_deref(), Some(Path::new("/set")));
    assert!(config.is_in(&contents));
    // Whatever the file says by now, a worker is given texts and nothing that is read again.
    fs::write(&file, "broken").unwrap();
    let text = |source: &Source| matches!(source, Source::Text { .. });
    assert!(config.sources.len() == 3 && config.sources.iter().all(text));
    let settings = args::settings(&config.sources, None).unwrap();
    assert!(
        matches!(settings.penstock.log.storage, Storage::Disk(disk) if disk.directory == Path::new("/set"))
    );

    // All that is wrong is told, on a line each.
    let fault = files.settings(&files.read()).unwrap_err().to_string();
    assert!(fault.contains("a map of sections was expected"), "{fault}");
}
