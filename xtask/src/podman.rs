//! podman with runc, in a store of its own, where this machine can have it.

use crate::fail::{Outcome, bail};
use crate::process::Process;
use crate::{sh, tools};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// What podman says when the fault is its own or the runtime's, and not the container's.
const CANNOT: i32 = 125;

/// A podman whose images and containers are below one folder.
pub(crate) struct Podman {
    folder: PathBuf,
}

impl Podman {
    /// Installs podman if need be; nothing, and why, where it cannot be had.
    pub(crate) fn find(folder: &Path) -> Outcome<Option<Self>> {
        if let Err(fault) = tools::podman() {
            println!("SKIPPED: podman cannot be installed here: {fault}");
            return Ok(None);
        }
        let folder = folder.join("podman");
        std::fs::create_dir_all(&folder)?;
        Ok(Some(Self { folder }))
    }

    /// Without cgroups of systemd, an overlay file system and a journal, which sandboxes do not have.
    fn command(&self) -> Command {
        let mut command = Command::new("podman");
        command
            .arg("--root")
            .arg(self.folder.join("store"))
            .arg("--runroot")
            .arg(self.folder.join("run"))
            .args(["--storage-driver", "vfs", "--runtime", "runc"])
            .args(["--cgroup-manager", "cgroupfs", "--events-backend", "file"])
            .stdin(Stdio::null());
        command
    }

    /// Takes an image out of an OCI layout, under the name of its program.
    pub(crate) fn pull(&self, name: &str, layout: &Path) -> Outcome {
        let mut pull = self.command();
        pull.args(["pull", "-q"])
            .arg(format!("oci:{}", layout.display()));
        let (status, id) = sh::logged(&mut pull, &self.folder.join("pull.log"))?;
        let Some(id) = id.lines().last().filter(|_| status.success()) else {
            bail!("podman does not take the layout of {name}: {id}");
        };
        let mut tag = self.command();
        tag.args(["tag", id, &format!("localhost/{name}:test")]);
        let (status, said) = sh::logged(&mut tag, &self.folder.join("tag.log"))?;
        if !status.success() {
            bail!("podman tag: {said}");
        }
        Ok(())
    }

    /// Whether containers can be run here at all; why not is said. A program that fails is an error.
    pub(crate) fn can_run(&self, name: &str) -> Outcome<bool> {
        let mut run = self.run(name);
        run.arg(image(name)).arg("--version");
        let (status, said) = sh::logged(&mut run, &self.folder.join("run.log"))?;
        if status.code() == Some(CANNOT) {
            println!(
                "SKIPPED: podman cannot run containers here: {}",
                said.trim()
            );
            return Ok(false);
        }
        if !status.success() {
            bail!("{name} does not run in its image: {said}");
        }
        Ok(true)
    }

    fn run(&self, name: &str) -> Command {
        let mut command = self.command();
        command
            .args([
                "run",
                "--rm",
                "--pull=never",
                "--network=host",
                "--name",
                name,
            ])
            .args(["--ulimit=nofile=16384:16384", "--ulimit=nproc=16384:16384"]);
        command
    }
}

fn image(name: &str) -> String {
    format!("localhost/{name}:test")
}

/// A running container. Dropping it removes it.
pub(crate) struct Container {
    process: Option<Process>,
    remove: Command,
}

impl Container {
    /// Starts the image `name` with flags of `podman run`, folders with where they are mounted, and arguments of the program.
    pub(crate) fn start(
        podman: &Podman,
        name: &str,
        flags: &[String],
        volumes: &[(&Path, &str)],
        words: &[&str],
    ) -> Outcome<Self> {
        let mut command = podman.run(name);
        command.args(flags);
        for (folder, at) in volumes {
            command.arg(format!("--volume={}:{at}", folder.display()));
        }
        command.arg(image(name)).args(words);
        let mut remove = podman.command();
        remove.args(["rm", "--force", "--time=0", name]);
        let process = Process::start(name, &podman.folder, &mut command)?;
        Ok(Self {
            process: Some(process),
            remove,
        })
    }

    /// Waits for a JSON log line with this message and gives it.
    pub(crate) fn ready(&mut self, message: &str) -> Outcome<Value> {
        match &mut self.process {
            Some(process) => process.ready(message),
            None => bail!("the container has ended"),
        }
    }

    pub(crate) fn name(&self) -> &str {
        self.process.as_ref().map_or("", Process::name)
    }

    /// SIGTERM, which podman hands on; gives how the program ended.
    pub(crate) fn stop(mut self) -> Outcome<ExitStatus> {
        match self.process.take() {
            Some(process) => process.stop(),
            None => bail!("the container has ended"),
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let silent = self.remove.stdout(Stdio::null()).stderr(Stdio::null());
        let _removed = silent.status().is_ok();
    }
}
