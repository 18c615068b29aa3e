//! Limits as the kernel's files give them. What the kernel itself writes is not proven here.

use super::memory_limit;
use std::fs;
use std::path::Path;

const GIB: u64 = 1 << 30;

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn machine() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    write(
        root.path(),
        "proc/meminfo",
        "MemTotal:        8388608 kB\nMemFree:  1 kB\n",
    );
    root
}

#[test]
fn machine_memory_counts_without_cgroup() {
    assert_eq!(memory_limit(machine().path()), 8 * GIB);
}

#[test]
fn unreadable_machine_counts_as_a_small_one() {
    assert_eq!(memory_limit(tempfile::tempdir().unwrap().path()), GIB);
}

#[test]
fn least_limit_of_all_v2_groups_counts() {
    let root = machine();
    write(root.path(), "proc/self/cgroup", "0::/pods/pod/container\n");
    write(
        root.path(),
        "sys/fs/cgroup/pods/pod/container/memory.max",
        "max\n",
    );
    write(
        root.path(),
        "sys/fs/cgroup/pods/pod/memory.max",
        "536870912\n",
    );
    write(root.path(), "sys/fs/cgroup/pods/memory.max", "4294967296\n");
    assert_eq!(memory_limit(root.path()), GIB / 2);
}

#[test]
fn containers_own_v2_group_is_the_mount() {
    let root = machine();
    write(root.path(), "proc/self/cgroup", "0::/\n");
    write(root.path(), "sys/fs/cgroup/memory.max", "268435456\n");
    assert_eq!(memory_limit(root.path()), GIB / 4);
}

#[test]
fn v1_limit_counts_even_when_the_path_is_the_hosts() {
    let root = machine();
    write(
        root.path(),
        "proc/self/cgroup",
        "5:cpu,cpuacct:/a\n4:memory:/docker/abc\n",
    );
    write(
        root.path(),
        "sys/fs/cgroup/memory/memory.limit_in_bytes",
        "1073741824\n",
    );
    assert_eq!(memory_limit(root.path()), GIB);
}

#[test]
fn unlimited_v1_group_leaves_the_machine() {
    let root = machine();
    write(root.path(), "proc/self/cgroup", "4:memory:/\n");
    write(
        root.path(),
        "sys/fs/cgroup/memory/memory.limit_in_bytes",
        "9223372036854771712\n",
    );
    assert_eq!(memory_limit(root.path()), 8 * GIB);
}

#[test]
fn there_is_always_a_cpu() {
    assert!(super::cpu_quota() >= 1);
}
