//! Exporters come and go under load: killed, added, drained.

use super::delivered::{Ids, ids_of_file};
use super::tiers::{ExporterProcess, ReceiverProcess, folder};
use crate::envoy::{Route, Sidecars};
use crate::fail::{Outcome, bail};
use crate::mesh::{self, Traffic};
use crate::process::{free_port, pause};
use std::path::Path;
use std::thread;
use std::time::Duration;

const TRAFFIC: Traffic = Traffic {
    requests: 1500,
    rate: 150.0,
    tag: "exporters",
};

/// SIGKILL in mid-load and a second without the exporter: everything accepted is delivered, at least once.
pub(crate) fn killed() -> Outcome {
    let folder = folder("exporter-killed")?;
    let out = folder.join("otlp.jsonl");
    let settings = format!("{{path: {}, append: true}}", out.display());
    let mut exporter = ExporterProcess::start(&folder, "file", "file", &settings, "127.0.0.1:0")?;
    let replicas = [exporter.hop.clone()];
    let receiver = ReceiverProcess::start(&folder, &[("file", &settings, &replicas)])?;
    let exporter = under_load(&folder, &receiver, || {
        for _ in 0..3 {
            pause(Duration::from_secs(2));
            let gone = || pause(Duration::from_secs(1));
            exporter = exporter.kill_and_restart(&folder, gone)?;
        }
        receiver.settled(&all_items())?;
        Ok(exporter)
    })?;
    receiver.stop()?;
    exporter.drain()?;
    let duplicates = check_all(&ids_of_file(&[&out])?)?;
    println!("3 kills, 0 missing, {duplicates} duplicates");
    Ok(())
}

/// Two replicas share the load, a third joins, the first is drained: nothing is lost, nothing is sent twice.
pub(crate) fn replicas() -> Outcome {
    let folder = folder("exporter-replicas")?;
    let names = ["a", "b", "c"];
    let outs = names.map(|name| folder.join(format!("{name}.jsonl")));
    let settings = |n: usize| format!("{{path: {}}}", outs[n].display());
    let start =
        |n: usize, hop: &str| ExporterProcess::start(&folder, names[n], "file", &settings(n), hop);
    let third = format!("127.0.0.1:{}", free_port()?);
    let (a, b) = (start(0, "127.0.0.1:0")?, start(1, "127.0.0.1:0")?);
    let replicas = [a.hop.clone(), b.hop.clone(), third.clone()];
    let receiver = ReceiverProcess::start(&folder, &[("file", &settings(0), &replicas)])?;
    let c = under_load(&folder, &receiver, || {
        pause(Duration::from_secs(3));
        let c = start(2, &third)?;
        pause(Duration::from_secs(3));
        a.drain()?;
        receiver.settled(&all_items())?;
        Ok(c)
    })?;
    receiver.stop()?;
    b.drain()?;
    c.drain()?;
    for (name, out) in names.iter().zip(&outs) {
        let items: usize = ids_of_file(&[out])?.values().sum();
        println!("replica {name}: {items} items");
        if items == 0 {
            bail!("replica {name} got nothing");
        }
    }
    let duplicates = check_all(&ids_of_file(&outs.each_ref().map(AsRef::as_ref))?)?;
    if duplicates > 0 {
        bail!("{duplicates} items were sent twice");
    }
    Ok(())
}

fn all_items() -> [(&'static str, u64); 2] {
    let items = 2 * TRAFFIC.requests as u64;
    [("traces", items), ("logs", items)]
}

/// Runs `meanwhile` while sidecars push; they are gone afterwards.
fn under_load<T>(
    folder: &Path,
    receiver: &ReceiverProcess,
    meanwhile: impl FnOnce() -> Outcome<T>,
) -> Outcome<T> {
    let route = Route::Direct {
        port: receiver.grpc_port()?,
    };
    let sidecars = Sidecars::start(folder, &route, mesh::application("127.0.0.1")?)?;
    let outbound = sidecars.outbound;
    let traffic = thread::spawn(move || TRAFFIC.send(outbound));
    let done = meanwhile();
    let sent = traffic.join().map_err(|_| "the traffic panicked")?;
    sidecars.stop()?;
    sent?;
    done
}

/// Everything arrived at least once; gives the number of duplicates.
fn check_all(ids: &Ids) -> Outcome<usize> {
    let mut duplicates = 0;
    for n in 0..TRAFFIC.requests {
        for signal in ["traces", "logs"] {
            let arrived = ids
                .get(&(signal.to_owned(), TRAFFIC.id(n)))
                .copied()
                .unwrap_or_default();
            if arrived < 2 {
                bail!("{signal} {} arrived {arrived} times, not 2", TRAFFIC.id(n));
            }
            duplicates += arrived - 2;
        }
    }
    Ok(duplicates)
}
