//! Whole plans: runc's own spec step by step, and what each real client asks for.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::fixtures;
use crate::{AttrChange, CgroupLayout, CgroupManager, DeviceNode, HandlerKind, Mount, MountKind, NewFilesystem, Rlimit};

const NOSUID: u64 = 0x2;
const SAFE: u64 = 0xe;
const ATIME: u64 = 0x70;

fn plan(json: &str, facts: &HostFacts) -> Result<Plan, String> {
    resolve(&fixtures::bundle(json), facts, &fixtures::options()).map_err(|error| error.to_string())
}

fn runc_spec() -> String {
    fixtures::config("runc13-spec.json").replace(r#""terminal": true"#, r#""terminal": false"#)
}

fn new(
    index: usize,
    destination: &str,
    fstype: &str,
    source: &str,
    attr: (u64, u64),
    flags: &[&'static str],
    options: &str,
) -> InitOp {
    let new = NewFilesystem {
        fstype: CString::new(fstype).unwrap(),
        source: CString::new(source).unwrap(),
        flags: flags.to_vec(),
        options: options.split_whitespace().map(str::to_owned).collect(),
        copy_up: false,
    };
    InitOp::Mount(Mount {
        index,
        destination: destination.into(),
        no_symlinks: ["/proc", "/sys", "/dev"].contains(&destination),
        kind: MountKind::New(new),
        attr: AttrChange { set: attr.0, clear: attr.1 },
        recursive_attr: AttrChange::default(),
        propagation: vec![],
    })
}

fn char_device(path: &str, major: u32, minor: u32) -> InitOp {
    InitOp::Device(DeviceNode { path: path.into(), file_type: libc::S_IFCHR, major, minor, mode: 0o666, uid: 0, gid: 0 })
}

fn symlink(path: &str, target: &str, keep_existing: bool) -> InitOp {
    InitOp::Symlink { target: CString::new(target).unwrap(), path: path.into(), keep_existing }
}

/// `runc spec` on a unified host, without a terminal: every step, in order.
fn runc_ops() -> Vec<InitOp> {
    let mut ops = vec![
        InitOp::LoopbackUp,
        InitOp::Propagation(MS_SLAVE | MS_REC),
        InitOp::AttachRoot { path: "/bundle/rootfs".into(), private_parent: false },
        new(0, "/proc", "proc", "proc", (0, 0), &[], ""),
        new(1, "/dev", "tmpfs", "tmpfs", (NOSUID | 0x20, ATIME), &[], "mode=755 size=65536k"),
        new(2, "/dev/pts", "devpts", "devpts", (0xa, 0), &[], "newinstance ptmxmode=0666 mode=0620 gid=5"),
        new(3, "/dev/shm", "tmpfs", "shm", (SAFE, 0), &[], "mode=1777 size=65536k"),
        new(4, "/dev/mqueue", "mqueue", "mqueue", (SAFE, 0), &[], ""),
        new(5, "/sys", "sysfs", "sysfs", (SAFE | 1, 0), &["ro"], ""),
        new(6, "/sys/fs/cgroup", "cgroup2", "cgroup", (SAFE | 1, ATIME), &["ro"], ""),
        char_device("/dev/null", 1, 3),
        char_device("/dev/zero", 1, 5),
        char_device("/dev/full", 1, 7),
        char_device("/dev/random", 1, 8),
        char_device("/dev/urandom", 1, 9),
        char_device("/dev/tty", 5, 0),
        symlink("/dev/fd", "/proc/self/fd", true),
        symlink("/dev/stdin", "/proc/self/fd/0", true),
        symlink("/dev/stdout", "/proc/self/fd/1", true),
        symlink("/dev/stderr", "/proc/self/fd/2", true),
        symlink("/dev/core", "/proc/kcore", true),
        symlink("/dev/ptmx", "pts/ptmx", false),
    ];
    let readonly = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
    ops.extend(readonly.map(|path| InitOp::ReadonlyPath(path.into())));
    let masked = "/proc/acpi /proc/asound /proc/kcore /proc/keys /proc/latency_stats /proc/timer_list /proc/timer_stats \
        /proc/sched_debug /sys/firmware /proc/scsi";
    ops.extend(masked.split_whitespace().map(|path| InitOp::MaskPath(path.into())));
    ops.push(InitOp::ReadonlyRoot);
    ops.push(InitOp::EnterRoot { no_pivot: false, propagation: None });
    ops.push(InitOp::Hostname(c"runc".to_owned()));
    ops
}

#[test]
fn the_spec_of_runc_step_by_step() {
    let plan = plan(&runc_spec(), &fixtures::facts()).unwrap();
    assert_eq!(plan.init_ops, runc_ops());
}

#[test]
fn the_spec_of_runc_beside_the_steps() {
    let plan = plan(&runc_spec(), &fixtures::facts()).unwrap();
    let flags = libc::CLONE_NEWPID | libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS | libc::CLONE_NEWNS;
    assert_eq!(plan.namespaces.new, u64::from((flags | libc::CLONE_NEWCGROUP).unsigned_abs()));
    assert_eq!(
        (plan.oci_version.as_str(), plan.bundle.as_path(), plan.rootfs.as_path()),
        ("1.2.1", Path::new("/bundle"), Path::new("/bundle/rootfs"))
    );
    assert_eq!(plan.handler, HandlerKind::Native);
    assert_eq!(plan.warnings, Vec::<String>::new());
    let caps = 1 << 29 | 1 << 5 | 1 << 10;
    let expected = crate::Capabilities { bounding: caps, effective: caps, permitted: caps, inheritable: 0, ambient: 0 };
    assert_eq!(plan.process.capabilities, expected);
    assert_eq!(plan.process.rlimits, [Rlimit { name: "RLIMIT_NOFILE", resource: 7, soft: 1024, hard: 1024 }]);
    assert!(plan.process.no_new_privileges);
    assert!(matches!(plan.cgroup.layout, CgroupLayout::V2 { .. }));
}

/// The same on a hybrid host: the cgroup mount alone differs, and its tmpfs turns read-only after the links.
#[test]
fn the_spec_of_runc_on_a_hybrid_host() {
    let plan = plan(&runc_spec(), &fixtures::hybrid()).unwrap();
    let mut expected = runc_ops();
    let at = expected.iter().position(|op| matches!(op, InitOp::Mount(mount) if mount.index == 6)).unwrap();
    expected.remove(at);
    let ours = |op: &InitOp| match op {
        InitOp::Mount(mount) => mount.index == 6,
        InitOp::Symlink { path, .. } => path.starts_with("/sys/fs/cgroup"),
        InitOp::ReadonlyMount(path) => path == Path::new("/sys/fs/cgroup"),
        _ => false,
    };
    let rest: Vec<InitOp> = plan.init_ops.iter().filter(|op| !ours(op)).cloned().collect();
    assert_eq!(rest, expected);
    let count = |wanted: fn(&InitOp) -> bool| plan.init_ops.iter().filter(|op| ours(op) && wanted(op)).count();
    assert_eq!(count(|op| matches!(op, InitOp::Mount(_))), 12);
    assert_eq!(count(|op| matches!(op, InitOp::Symlink { .. })), 4);
    let last_link = plan.init_ops.iter().rposition(|op| matches!(op, InitOp::Symlink { .. })).unwrap();
    assert_eq!(plan.init_ops[last_link + 1], InitOp::ReadonlyMount("/sys/fs/cgroup".into()));
}

/// What every recorded configuration comes to on the kind of host that it was written for.
const CLIENTS: [&str; 22] = [
    "containerd16-cri-container.json",
    "containerd16-cri-sandbox.json",
    "crio137-v1-container.json",
    "crio137-wasm.json",
    "ctr16-run.json",
    "docker20-v1-run.json",
    "docker28-v1-privileged.json",
    "docker28-v1-run.json",
    "docker28-v1-tty.json",
    "kube136-v1-container-limits.json",
    "kube136-v1-container-restricted.json",
    "kube136-v1-sandbox.json",
    "podman43-v1-memory.json",
    "podman43-v1-run.json",
    "podman43-wasm.json",
    "podman58-v2-pod-infra.json",
    "podman58-v2-privileged.json",
    "podman58-v2-rootless.json",
    "podman58-v2-run.json",
    "podman58-v2-userns.json",
    "runc13-spec-rootless.json",
    "runc13-spec.json",
];

fn host_of(name: &str) -> HostFacts {
    if name.contains("-v2-") || name.starts_with("runc") { fixtures::facts() } else { fixtures::hybrid() }
}

#[test]
fn every_client() {
    for name in CLIENTS {
        assert_eq!(plan(&fixtures::config(name), &host_of(name)).err(), None, "{name}");
    }
}

#[test]
fn no_fixture_is_left_out() {
    let entries = std::fs::read_dir(fixtures::directory()).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    let mut names: Vec<String> = files.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.retain(|name| fixtures::config(name).contains("\"ociVersion\"") && fixtures::config(name).contains("\"process\""));
    names.sort();
    assert_eq!(names, CLIENTS);
}

/// With what is not supported yet taken out, every client's container has a plan, and the plan keeps its promises.
#[test]
fn every_client_without_what_is_missing() {
    for name in CLIENTS {
        let mut document: serde_json::Value = serde_json::from_str(&fixtures::config(name)).unwrap();
        strip(&mut document);
        for facts in [fixtures::facts(), fixtures::hybrid()] {
            let plan = plan(&document.to_string(), &facts).unwrap_or_else(|error| panic!("{name}: {error}"));
            promises(name, &plan);
        }
    }
}

fn strip(document: &mut serde_json::Value) {
    document["process"]["terminal"] = false.into();
    for field in ["hooks", "annotations"] {
        document.as_object_mut().unwrap().remove(field);
    }
    let linux = document["linux"].as_object_mut().unwrap();
    for field in ["seccomp", "uidMappings", "gidMappings"] {
        linux.remove(field);
    }
    let namespaces = linux["namespaces"].as_array_mut().unwrap();
    namespaces.retain(|namespace| namespace["type"] != "user");
    namespaces.iter_mut().for_each(|namespace| drop(namespace.as_object_mut().unwrap().remove("path")));
}

/// The stages of init; a plan's steps never go back to an earlier one.
fn stage(op: &InitOp) -> u32 {
    match op {
        InitOp::LoopbackUp => 0,
        InitOp::Propagation(_) => 1,
        InitOp::AttachRoot { .. } => 2,
        InitOp::Symlink { path, .. } if !path.starts_with("/dev") => 3,
        InitOp::Mount(_) => 3,
        InitOp::Device(_) => 4,
        InitOp::Symlink { .. } => 5,
        InitOp::WorkingDirectory(_) => 6,
        InitOp::Hooks => 7,
        InitOp::Console => 8,
        InitOp::ReadonlyMount(_) => 9,
        InitOp::ReadonlyPath(_) => 10,
        InitOp::MaskPath(_) => 11,
        InitOp::ReadonlyRoot => 12,
        InitOp::EnterRoot { .. } => 13,
        InitOp::Sysctl { .. } => 14,
        InitOp::Hostname(_) => 15,
        InitOp::Domainname(_) => 16,
    }
}

fn promises(name: &str, plan: &Plan) {
    assert!(plan.init_ops.is_sorted_by_key(stage), "{name}");
    assert_eq!(plan.init_ops.iter().filter(|op| matches!(op, InitOp::EnterRoot { .. })).count(), 1, "{name}");
    for op in &plan.init_ops {
        let paths: Vec<&Path> = match op {
            InitOp::Mount(Mount { destination, kind: MountKind::Bind { source, .. }, .. }) => vec![destination, source],
            InitOp::Mount(Mount { destination, .. }) => vec![destination],
            InitOp::Device(node) => vec![&node.path],
            InitOp::Symlink { path, .. } => vec![path],
            InitOp::WorkingDirectory(path) | InitOp::ReadonlyMount(path) => vec![path],
            InitOp::ReadonlyPath(path) | InitOp::MaskPath(path) => vec![path],
            InitOp::AttachRoot { path, .. } => vec![path],
            _ => vec![],
        };
        assert!(paths.iter().all(|path| path.is_absolute()), "{name}: {op:?}");
    }
    assert!(!plan.process.args.is_empty() && plan.process.cwd.is_absolute(), "{name}");
    let caps = plan.process.capabilities;
    assert_eq!(caps.ambient & !(caps.permitted & caps.inheritable), 0, "{name}");
}

/// The image's annotation made the first two wasm; a pod's annotation reaches the sandbox, too.
#[test]
fn wasm_annotations_count_but_for_sandboxes() {
    for (name, expected) in [
        ("crio137-wasm.json", HandlerKind::Wasm),
        ("podman43-wasm.json", HandlerKind::Wasm),
        ("kube136-v1-sandbox.json", HandlerKind::Native),
        ("containerd16-cri-sandbox.json", HandlerKind::Native),
        ("kube136-v1-container-limits.json", HandlerKind::Wasm),
        ("containerd16-cri-container.json", HandlerKind::Wasm),
    ] {
        let mut document: serde_json::Value = serde_json::from_str(&fixtures::config(name)).unwrap();
        if !name.contains("wasm") {
            document["annotations"]["module.wasm.image/variant"] = "compat".into();
        }
        let plan = plan(&document.to_string(), &host_of(name)).unwrap();
        assert_eq!(plan.handler, expected, "{name}");
        let wasm = expected != HandlerKind::Native;
        assert_eq!((plan.wasm.is_some(), plan.exec_base.wasm.is_some()), (wasm, wasm), "{name}");
    }
}

fn edited(edit: impl Fn(&mut serde_json::Value)) -> String {
    let mut document: serde_json::Value = serde_json::from_str(&runc_spec()).unwrap();
    edit(&mut document);
    document.to_string()
}

#[test]
fn propagation_of_the_root() {
    let slave = MS_SLAVE | MS_REC;
    for (value, first, private_parent, last) in [
        ("", slave, false, None),
        ("slave", slave, false, None),
        ("rslave", slave, false, None),
        ("private", MS_PRIVATE | MS_REC, false, None),
        ("rprivate", MS_PRIVATE | MS_REC, false, None),
        ("shared", MS_SHARED, true, Some(MS_SHARED)),
        ("rshared", MS_SHARED | MS_REC, true, Some(MS_SHARED | MS_REC)),
        ("unbindable", slave, false, Some(MS_UNBINDABLE)),
        ("runbindable", slave, false, Some(MS_UNBINDABLE | MS_REC)),
    ] {
        let ops =
            plan(&edited(|document| document["linux"]["rootfsPropagation"] = value.into()), &fixtures::facts()).unwrap().init_ops;
        assert_eq!(ops[1], InitOp::Propagation(first), "{value}");
        assert_eq!(ops[2], InitOp::AttachRoot { path: "/bundle/rootfs".into(), private_parent }, "{value}");
        assert!(ops.contains(&InitOp::EnterRoot { no_pivot: false, propagation: last }), "{value}");
    }
}

#[test]
fn without_pivot() {
    let options = Options { no_pivot: true, cgroup_manager: CgroupManager::Disabled, ..fixtures::options() };
    let plan = resolve(&fixtures::bundle(&runc_spec()), &fixtures::facts(), &options).unwrap();
    assert!(plan.init_ops.contains(&InitOp::EnterRoot { no_pivot: true, propagation: None }));
    assert_eq!(plan.cgroup.layout, CgroupLayout::Disabled);
    let json = edited(|document| document["linux"]["rootfsPropagation"] = "rprivate".into());
    let text = resolve(&fixtures::bundle(&json), &fixtures::facts(), &options).unwrap_err().to_string();
    assert_eq!(text, "config.json: linux.rootfsPropagation: private is not safe without pivot_root");
}

#[test]
fn the_end_of_the_steps() {
    let json = edited(|document| {
        document["root"]["readonly"] = false.into();
        document["domainname"] = "d".into();
        document["linux"]["sysctl"] = serde_json::json!({"net.b": "2", "net.a": "1", "kernel.sem": "3"});
        document["mounts"][1]["options"].as_array_mut().unwrap().push("ro".into());
    });
    let ops = plan(&json, &fixtures::facts()).unwrap().init_ops;
    let sysctl = |key: &str, value: &std::ffi::CStr| InitOp::Sysctl { key: key.into(), value: value.to_owned() };
    let enter = ops.iter().position(|op| matches!(op, InitOp::EnterRoot { .. })).unwrap();
    assert!(!ops.contains(&InitOp::ReadonlyRoot));
    assert_eq!(
        ops[enter + 1..],
        [
            sysctl("kernel/sem", c"3"),
            sysctl("net/a", c"1"),
            sysctl("net/b", c"2"),
            InitOp::Hostname(c"runc".to_owned()),
            InitOp::Domainname(c"d".to_owned()),
        ]
    );
    let link = ops.iter().rposition(|op| matches!(op, InitOp::Symlink { .. })).unwrap();
    assert_eq!(ops[link + 1], InitOp::ReadonlyMount("/dev".into()));
}

#[test]
fn the_working_directory_is_made() {
    for (cwd, made) in [("/", None), ("/..", None), ("/a/../srv/x/", Some("/srv/x"))] {
        let json = edited(|document| document["process"]["cwd"] = cwd.into());
        let plan = plan(&json, &fixtures::facts()).unwrap();
        let link = plan.init_ops.iter().rposition(|op| matches!(op, InitOp::Symlink { .. })).unwrap();
        let found = plan.init_ops.iter().position(|op| matches!(op, InitOp::WorkingDirectory(_)));
        assert_eq!(found, made.map(|_| link + 1), "{cwd}");
        if let Some(made) = made {
            assert_eq!(plan.init_ops[link + 1], InitOp::WorkingDirectory(made.into()));
        }
        assert_eq!(plan.process.cwd.as_os_str(), cwd);
    }
}

#[test]
fn without_a_network_namespace_loopback_is_left_alone() {
    let json = edited(|document| {
        document["linux"]["namespaces"].as_array_mut().unwrap().retain(|namespace| namespace["type"] != "network");
    });
    assert_eq!(plan(&json, &fixtures::facts()).unwrap().init_ops[0], InitOp::Propagation(MS_SLAVE | MS_REC));
}

#[test]
fn warnings_come_together() {
    let json = edited(|document| {
        document["process"]["capabilities"]["bounding"].as_array_mut().unwrap().push("CAP_NEW".into());
        document["process"]["capabilities"]["effective"].as_array_mut().unwrap().push("CAP_BPF".into());
        document["mounts"][0]["options"] = serde_json::json!(["iversion"]);
        document["linux"]["personality"] = serde_json::json!({"domain": "LINUX", "flags": ["x"]});
    });
    assert_eq!(
        plan(&json, &fixtures::facts()).unwrap().warnings,
        [
            "process.capabilities.bounding: unknown capability CAP_NEW is ignored",
            "mounts[0].options: iversion has no effect here and is ignored",
            "linux.personality.flags: ignored, no flag is defined",
            "process.capabilities.effective: CAP_BPF is ignored: it is not permitted",
        ]
    );
}
