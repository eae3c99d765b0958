//! Namespaces, and what only they make possible: names and kernel parameters.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::common::Test;

const KINDS: [(&str, &str); 6] =
    [("pid", "pid"), ("network", "net"), ("mount", "mnt"), ("ipc", "ipc"), ("uts", "uts"), ("cgroup", "cgroup")];

fn own(file: &str) -> String {
    fs::read_link(Path::new("/proc/self/ns").join(file)).unwrap().display().to_string()
}

both!(each_is_new_when_asked_for, |t: &mut Test| {
    t.spec["linux"]["namespaces"] = KINDS.map(|(kind, _)| json!({"type": kind})).into();
    for (kind, file) in KINDS {
        let seen = t.run_sh(&format!("readlink /proc/self/ns/{file}"));
        assert_ne!(seen.trim(), own(file), "{kind}");
    }
});

both!(each_is_the_hosts_when_left_out, |t: &mut Test| {
    // Mounting sysfs needs a network namespace of one's own.
    t.spec["mounts"].as_array_mut().unwrap().retain(|mount| mount["destination"] != "/sys");
    t.spec["linux"].as_object_mut().unwrap().remove("maskedPaths");
    t.spec["linux"].as_object_mut().unwrap().remove("readonlyPaths");
    t.spec.as_object_mut().unwrap().remove("hostname");
    t.spec["linux"]["namespaces"] = json!([{"type": "mount"}]);
    t.sh("for n in pid net ipc uts cgroup user; do readlink /proc/self/ns/$n; done");
    let expected: String = ["pid", "net", "ipc", "uts", "cgroup", "user"].iter().map(|file| own(file) + "\n").collect();
    assert_eq!(t.run().ok(), expected);
});

both!(the_cgroup_namespace_is_rooted_at_the_container, |t: &mut Test| {
    t.without_namespace("cgroup").with_namespace("cgroup");
    let v2 = t.mode.is_v2();
    let seen = t.run_sh("cat /proc/self/cgroup");
    for line in seen.lines().filter(|line| !v2 || line.starts_with("0::")) {
        assert!(line.ends_with(":/"), "{seen}");
    }
});

both!(loopback_is_up, |t: &mut Test| {
    let seen = t.run_sh("ip addr show lo");
    assert!(seen.contains("UP") && seen.contains("127.0.0.1/8"), "{seen}");
});

both!(hostname, |t: &mut Test| {
    t.spec["hostname"] = json!("buoy.example");
    assert_eq!(t.run_sh("hostname; cat /proc/sys/kernel/hostname"), "buoy.example\nbuoy.example\n");
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_ne!(host, "buoy.example\n");
});

both!(domainname, |t: &mut Test| {
    skiff_only!(t, "runc since 1.2");
    t.spec["domainname"] = json!("harbour.example");
    assert_eq!(t.run_sh("cat /proc/sys/kernel/domainname"), "harbour.example\n");
});

both!(sysctl, |t: &mut Test| {
    t.spec["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "1", "kernel.msgmax": "12345", "kernel.shm_rmid_forced": "1"});
    assert_eq!(t.run_sh("cd /proc/sys; cat net/ipv4/ip_forward kernel/msgmax kernel/shm_rmid_forced"), "1\n12345\n1\n");
    assert_ne!(fs::read_to_string("/proc/sys/kernel/msgmax").unwrap(), "12345\n");
});

both!(sysctl_with_slashes, |t: &mut Test| {
    t.spec["linux"]["sysctl"] = json!({"net/ipv4/ip_forward": "1"});
    assert_eq!(t.run_sh("cat /proc/sys/net/ipv4/ip_forward"), "1\n");
});
