//! The bundles, each a change of runc's default spec.

use serde_json::{Value, json};
use skiff_testbed::view::View;
use std::path::Path;

/// One bundle.
pub struct Case {
    /// For messages and [`super::allowed`].
    pub name: &'static str,
    /// Changes the default spec; `dir` holds `data`, a directory to bind from.
    pub change: fn(&mut Value, &Path, View),
}

/// All of them.
pub const CASES: [Case; 7] = [
    Case { name: "default", change: |_, _, _| {} },
    Case { name: "docker", change: docker },
    Case { name: "read-only", change: read_only },
    Case { name: "mount-options", change: mount_options },
    Case { name: "user", change: user },
    Case { name: "host-namespaces", change: host_namespaces },
    Case { name: "kernel", change: kernel },
];

fn push(list: &mut Value, items: Value) {
    if let (Value::Array(list), Value::Array(mut items)) = (list, items) {
        list.append(&mut items);
    }
}

/// As dockerd writes it: many capabilities, no no_new_privs, a writable root, files bound into /etc, limits.
fn docker(spec: &mut Value, dir: &Path, view: View) {
    let caps = json!([
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FSETID",
        "CAP_FOWNER",
        "CAP_MKNOD",
        "CAP_NET_RAW",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETFCAP",
        "CAP_SETPCAP",
        "CAP_NET_BIND_SERVICE",
        "CAP_SYS_CHROOT",
        "CAP_KILL",
        "CAP_AUDIT_WRITE"
    ]);
    spec["process"]["capabilities"] = json!({"bounding": caps, "effective": caps, "permitted": caps});
    spec["process"]["noNewPrivileges"] = json!(false);
    spec["process"]["oomScoreAdj"] = json!(0);
    spec["process"]["env"] = json!(["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=box", "EMPTY="]);
    spec["process"]["user"]["additionalGids"] = json!([0, 10]);
    spec["process"].as_object_mut().and_then(|process| process.remove("rlimits"));
    spec["root"]["readonly"] = json!(false);
    let file = dir.join("data/hosts");
    push(
        &mut spec["mounts"],
        json!([{"destination": "/etc/hosts", "type": "bind", "source": file, "options": ["rbind", "rprivate"]}]),
    );
    spec["linux"]["resources"]["blockIO"] = json!({});
    if view == View::V1 {
        spec["linux"]["resources"]["memory"] = json!({"limit": 64 << 20});
        spec["linux"]["resources"]["pids"] = json!({"limit": 64});
        spec["linux"]["resources"]["cpu"] = json!({"shares": 512, "quota": 50000, "period": 100_000});
    }
}

fn read_only(spec: &mut Value, dir: &Path, _: View) {
    push(
        &mut spec["mounts"],
        json!([
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777", "size=1m"]},
            {"destination": "/home", "type": "tmpfs", "source": "tmpfs", "options": ["ro"]},
            {"destination": "/data/in", "type": "bind", "source": dir.join("data"), "options": ["bind", "ro"]},
            {"destination": "/data/out", "type": "bind", "source": dir.join("data"), "options": ["bind", "rw"]},
        ]),
    );
    spec["root"]["readonly"] = json!(true);
    push(&mut spec["linux"]["maskedPaths"], json!(["/etc/group", "/data/in/sub", "/absent"]));
    push(&mut spec["linux"]["readonlyPaths"], json!(["/data/out", "/absent"]));
}

/// Without tmpcopyup and the recursive words of rootfsPropagation, which libcontainer refuses.
fn mount_options(spec: &mut Value, dir: &Path, _: View) {
    let data = dir.join("data");
    let bind = |name: &str, options: Value| json!({"destination": format!("/data/{name}"), "type": "bind", "source": data, "options": options});
    let tmpfs = |name: &str, options: Value| json!({"destination": format!("/data/{name}"), "type": "tmpfs", "source": "tmpfs", "options": options});
    push(
        &mut spec["mounts"],
        json!([
            bind("bind", json!(["bind"])),
            bind("rbind", json!(["rbind"])),
            bind("hard", json!(["rbind", "ro", "nosuid", "nodev", "noexec"])),
            bind("noatime", json!(["bind", "noatime", "nodiratime"])),
            bind("private", json!(["rbind", "rprivate"])),
            bind("slave", json!(["rbind", "rslave"])),
            bind("shared", json!(["rbind", "shared"])),
            bind("unbindable", json!(["bind", "unbindable"])),
            bind("recursive", json!(["rbind", "rro", "rnosuid"])),
            tmpfs("plain", json!([])),
            tmpfs("sized", json!(["size=2m", "nr_inodes=100", "mode=700", "uid=5", "gid=6"])),
            tmpfs("strict", json!(["strictatime", "nosuid"])),
            tmpfs("relaxed", json!(["relatime", "dev", "suid", "exec"])),
            tmpfs("diratime", json!(["noatime", "diratime"])),
        ]),
    );
    spec["root"]["readonly"] = json!(false);
    spec["linux"]["rootfsPropagation"] = json!("slave");
}

fn user(spec: &mut Value, _: &Path, _: View) {
    spec["process"]["user"] = json!({"uid": 1000, "gid": 1000, "additionalGids": [10, 20], "umask": 0o77});
    let all = json!(["CAP_NET_RAW", "CAP_KILL", "CAP_CHOWN"]);
    let some = json!(["CAP_NET_RAW"]);
    spec["process"]["capabilities"] =
        json!({"bounding": all, "permitted": all, "effective": some, "inheritable": some, "ambient": some});
    spec["process"]["noNewPrivileges"] = json!(false);
    spec["process"]["cwd"] = json!("/home");
    spec["process"]["oomScoreAdj"] = json!(500);
    spec["process"]["rlimits"] = json!([
        {"type": "RLIMIT_NOFILE", "soft": 64, "hard": 128}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
        {"type": "RLIMIT_STACK", "soft": 1_048_576, "hard": 8_388_608}, {"type": "RLIMIT_NPROC", "soft": 100, "hard": 200}
    ]);
}

fn host_namespaces(spec: &mut Value, _: &Path, _: View) {
    spec["linux"]["namespaces"] = json!([{"type": "mount"}, {"type": "pid"}]);
    spec.as_object_mut().and_then(|spec| spec.remove("hostname"));
}

/// Kernel parameters, names, and devices of its own.
fn kernel(spec: &mut Value, _: &Path, _: View) {
    spec["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "1", "kernel.msgmax": "9000"});
    spec["hostname"] = json!("box");
    spec["domainname"] = json!("example.org");
    spec["linux"]["devices"] = json!([
        {"path": "/dev/own/kmsg", "type": "c", "major": 1, "minor": 11, "fileMode": 0o640, "uid": 3, "gid": 4},
        {"path": "/dev/fifo", "type": "p", "fileMode": 0o600},
        {"path": "/dev/loopy", "type": "b", "major": 7, "minor": 77}
    ]);
}
