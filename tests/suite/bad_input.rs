//! Bundles and calls that are wrong: each gets exit code 1 and one line that names file, field and reason, and
//! leaves no cgroup, mount, process, state directory or descriptor.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::common::{Test, refused, refused_call};

// config.json itself.

both!(missing_config, |t: &mut Test| {
    t.write_spec = false;
    fs::remove_file(t.bundle().join("config.json")).unwrap();
    let file = t.bundle().join("config.json");
    refused(t, &[file.to_str().unwrap(), "o such file or directory"]);
});

both!(missing_bundle, |t: &mut Test| {
    refused_call(t, &["create", "--bundle", "/nowhere/at/all", &t.id], &["/nowhere/at/all", "o such file or directory"]);
});

both!(malformed_config, |t: &mut Test| {
    t.write_spec = false;
    for (text, words) in [
        ("", &["config.json", "line 1"][..]),
        ("{\n  \"ociVersion\": \"1.0.2\",\n  \"process\":\n", &["config.json", "line 4 column"]),
        ("{\n  \"ociVersion\": 3\n}", &["config.json", "ociVersion", "line 2 column", "3"]),
        ("{\n  \"ociVersion\": \"1.0.2\"\n} {", &["config.json", "line 3 column"]),
        ("[1, 2]", &["config.json", "line 1 column"]),
        ("\u{0}\u{1}\u{2}", &["config.json", "line 1 column"]),
    ] {
        fs::write(t.bundle().join("config.json"), text).unwrap();
        refused(t, words);
    }
});

both!(config_is_a_directory, |t: &mut Test| {
    t.write_spec = false;
    fs::remove_file(t.bundle().join("config.json")).unwrap();
    fs::create_dir(t.bundle().join("config.json")).unwrap();
    refused(t, &["config.json", "s a directory"]);
});

both!(a_field_of_the_wrong_type, |t: &mut Test| {
    skiff_only!(t, "line and column");
    t.spec["process"]["args"] = json!("sh");
    refused(t, &["config.json", "process.args", "sh", "line", "column"]);
});

both!(version, |t: &mut Test| {
    skiff_only!(t, "runc does not look");
    for version in ["2.0.0", "0.9.0", "latest", ""] {
        t.spec["ociVersion"] = json!(version);
        refused(t, &["ociVersion", version]);
    }
});

both!(unknown_fields_are_ignored, |t: &mut Test| {
    t.spec["ociVersion"] = json!("1.99.0");
    t.spec["nobodyKnows"] = json!({"this": ["field"]});
    t.spec["process"]["norThis"] = json!(1);
    t.spec["linux"]["resources"]["orThis"] = json!({});
    t.run().ok();
});

// The id.

both!(malformed_id, |t: &mut Test| {
    for id in ["", ".", "..", "a/b", "/etc", "../up", "a b", "a\nb", "a:b", "a*", "\u{e4}"] {
        for verb in ["create", "run"] {
            let out = t.call(&[verb, id]);
            assert!(out.code == 1 && out.stderr.lines().count() <= 1, "{out:#?}");
            assert!(out.stderr.contains("id"), "{out:#?}");
            t.assert_nothing_left();
        }
    }
});

both!(a_malformed_id_is_named, |t: &mut Test| {
    skiff_only!(t, "wording");
    refused_call(t, &["create", "a b"], &["a b", "id"]);
});

both!(long_id, |t: &mut Test| {
    let id = t.id.clone() + &"x".repeat(1100);
    let out = t.call(&["create", &id]);
    assert_eq!(out.code, 1, "{out:?}");
    t.assert_nothing_left();
});

both!(odd_but_valid_ids, |t: &mut Test| {
    for suffix in ["_a", ".b", "+c", "-d", "E"] {
        let id = t.id.clone() + suffix;
        t.call(&["run", &id]).ok();
    }
});

// The root filesystem.

both!(missing_rootfs, |t: &mut Test| {
    t.spec["root"]["path"] = json!("nowhere");
    refused(t, &["nowhere", "o such file or directory"]);
});

both!(rootfs_is_a_file, |t: &mut Test| {
    t.spec["root"]["path"] = json!("config.json");
    refused(t, &["root", "not a directory"]);
});

both!(no_root, |t: &mut Test| {
    skiff_only!(t, "runc crashes");
    t.spec.as_object_mut().unwrap().remove("root");
    refused(t, &["config.json", "root"]);
});

both!(symlinked_rootfs, |t: &mut Test| {
    symlink("rootfs", t.bundle().join("link")).unwrap();
    t.spec["root"]["path"] = json!("link");
    refused(t, &["root", "link"]);
});

both!(proc_is_a_link, |t: &mut Test| {
    fs::remove_dir(t.rootfs().join("proc")).unwrap();
    symlink("/bin", t.rootfs().join("proc")).unwrap();
    refused(t, &["/proc", "symbolic link"]);
});

both!(sys_is_a_link, |t: &mut Test| {
    fs::remove_dir(t.rootfs().join("sys")).unwrap();
    symlink("/tmp", t.rootfs().join("sys")).unwrap();
    refused(t, &["/sys", "symbolic link"]);
});

both!(dev_is_a_link_to_the_host, |t: &mut Test| {
    skiff_only!(t, "CVE-2026-41579");
    let outside = t.dir().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::remove_dir(t.rootfs().join("dev")).unwrap();
    symlink(&outside, t.rootfs().join("dev")).unwrap();
    refused(t, &["/dev", "symbolic link"]);
    assert!(fs::read_dir(&outside).unwrap().next().is_none(), "made something on the host");
});

both!(proc_in_the_image_is_a_file, |t: &mut Test| {
    fs::remove_dir(t.rootfs().join("proc")).unwrap();
    fs::write(t.rootfs().join("proc"), "").unwrap();
    refused(t, &["/proc", "ot a directory"]);
});

both!(a_destination_in_proc_is_refused, |t: &mut Test| {
    // CVE-2019-19921 and its like: what hides a part of /proc can make the runtime believe it.
    let source = t.dir().join("source");
    fs::create_dir(&source).unwrap();
    t.bind(&source, "/proc/self", &["bind"]);
    refused(t, &["mounts[7]", "/proc/self"]);
});

// The command.

both!(missing_command, |t: &mut Test| {
    for command in ["nobody-has-this", "/bin/nobody-has-this", "./nobody-has-this", "bin/nobody"] {
        t.args(&[command]);
        let words = if command.contains('/') {
            &[command, "no such file or directory"]
        } else {
            &[command, "executable file not found in $PATH"]
        };
        refused(t, words);
    }
});

both!(missing_command_without_a_path, |t: &mut Test| {
    t.spec["process"]["env"] = json!([]);
    t.args(&["nobody-has-this"]);
    refused(t, &["nobody-has-this", "executable file not found in $PATH"]);
});

both!(command_is_not_executable, |t: &mut Test| {
    t.file("/bin/data", "data", 0o644);
    t.args(&["/bin/data"]);
    refused(t, &["/bin/data", "permission denied"]);
    // As in a shell: the search goes on, and ends without a result.
    t.args(&["data"]);
    refused(t, &["data", "executable file not found in $PATH"]);
});

both!(command_is_a_directory, |t: &mut Test| {
    t.args(&["/home"]);
    refused(t, &["/home", "is a directory"]);
});

both!(command_is_forbidden_to_the_user, |t: &mut Test| {
    t.capabilities(&[]);
    t.spec["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    t.file("/bin/roots-own", "#!/bin/sh\n", 0o700);
    t.args(&["/bin/roots-own"]);
    refused(t, &["/bin/roots-own", "permission denied"]);
});

both!(no_command, |t: &mut Test| {
    t.args(&[]);
    refused(t, &["process.args"]);
    t.args(&[""]);
    refused(t, &["executable file not found in $PATH"]);
    t.spec["process"].as_object_mut().unwrap().remove("args");
    refused(t, &["process.args"]);
});

both!(no_process, |t: &mut Test| {
    t.spec.as_object_mut().unwrap().remove("process");
    refused(t, &["config.json", "process"]);
});

both!(null_bytes, |t: &mut Test| {
    skiff_only!(t, "runc 1.1.5 cuts them off");
    t.args(&["/bin/true", "a\0b"]);
    refused(t, &["process.args[1]", "null byte"]);
    t.args(&["/bin/true"]);
    t.spec["process"]["env"] = json!(["PATH=/bin", "A=b\0c"]);
    refused(t, &["process.env[1]", "null byte"]);
});

both!(relative_cwd, |t: &mut Test| {
    t.spec["process"]["cwd"] = json!("tmp");
    refused(t, &["process.cwd", "tmp", "absolute"]);
    t.spec["process"]["cwd"] = json!("");
    refused(t, &["process.cwd"]);
});

// CVE-2024-21626: a descriptor of the host that leaks into init is a way out.
both!(cwd_outside_the_root, |t: &mut Test| {
    skiff_only!(t, "Debian's runc has it fixed in its own way");
    for number in 3..12 {
        t.spec["process"]["cwd"] = json!(format!("/proc/self/fd/{number}"));
        let out = t.with_descriptors("7</ 9</etc", &["run", &t.id]);
        out.fails_with(&["cwd"]);
        t.assert_nothing_left();
    }
});

both!(cwd_is_a_file, |t: &mut Test| {
    t.spec["process"]["cwd"] = json!("/etc/passwd");
    refused(t, &["/etc/passwd", "ot a directory"]);
});

// Mounts.

both!(absent_mount_source, |t: &mut Test| {
    let source = t.dir().join("nowhere");
    t.bind(&source, "/mnt", &["bind"]);
    refused(t, &["mounts[7]", "/mnt", source.to_str().unwrap(), "o such file or directory"]);
});

both!(an_unknown_filesystem, |t: &mut Test| {
    t.mount("/mnt", "nosuchfs", "none", &[]);
    refused(t, &["mounts[7]", "nosuchfs"]);
});

both!(an_unknown_mount_option, |t: &mut Test| {
    t.mount("/mnt", "tmpfs", "tmpfs", &["nosuchoption"]);
    refused(t, &["mounts[7]", "nosuchoption"]);
});

both!(a_bad_value_of_an_option, |t: &mut Test| {
    t.mount("/mnt", "tmpfs", "tmpfs", &["size=plenty"]);
    refused(t, &["mounts[7]", "/mnt", "size"]);
});

both!(idmapped_mounts, |t: &mut Test| {
    skiff_only!(t, "not built yet");
    let source = t.dir().join("source");
    fs::create_dir(&source).unwrap();
    t.bind(&source, "/mnt", &["bind", "idmap"]);
    refused(t, &["mounts[7]", "idmap"]);
});

both!(a_file_over_a_directory, |t: &mut Test| {
    let source = t.dir().join("source");
    fs::write(&source, "").unwrap();
    t.bind(&source, "/home", &["bind"]);
    refused(t, &["mounts[7]", "/home"]);
});

both!(a_failing_mount_undoes_the_ones_before, |t: &mut Test| {
    for number in 0..20 {
        t.mount(&format!("/mnt/{number}"), "tmpfs", "tmpfs", &[]);
    }
    let source = t.dir().join("nowhere");
    t.bind(&source, "/last", &["bind"]);
    refused(t, &["mounts[27]", "/last"]);
});

// Fields with a value that nobody knows, or that contradicts another.

#[track_caller]
fn refused_value(t: &mut Test, pointer: &str, value: Value, words: &[&str]) {
    let before = t.spec.clone();
    let (parent, key) = pointer.rsplit_once('/').expect("a JSON pointer");
    t.spec.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}"))[key] = value;
    refused(t, words);
    t.spec = before;
}

both!(limits, |t: &mut Test| {
    let limit = |kind: &str, soft: u64, hard: u64| json!({"type": kind, "soft": soft, "hard": hard});
    let at = "/process/rlimits";
    refused_value(t, at, json!([limit("RLIMIT_NOSUCH", 1, 1)]), &["process.rlimits[0].type", "RLIMIT_NOSUCH"]);
    refused_value(t, at, json!([limit("RLIMIT_NOFILE", 9, 8)]), &["process.rlimits[0]", "9", "8"]);
    if crate::common::is_skiff() {
        let twice = json!([limit("RLIMIT_NOFILE", 8, 8), limit("RLIMIT_NOFILE", 9, 9)]);
        refused_value(t, at, twice, &["process.rlimits[1]", "RLIMIT_NOFILE"]);
    }
});

both!(namespaces, |t: &mut Test| {
    let at = "/linux/namespaces";
    t.spec.as_object_mut().unwrap().remove("hostname");
    refused_value(t, at, json!([{"type": "mount"}, {"type": "nosuch"}]), &["linux.namespaces[1].type", "nosuch"]);
    refused_value(t, at, json!([{"type": "mount"}, {"type": "pid"}, {"type": "pid"}]), &["linux.namespaces[2]", "pid"]);
    refused_value(t, at, json!([{"type": "pid"}]), &["linux.namespaces", "mount"]);
});

both!(names_without_their_namespace, |t: &mut Test| {
    t.without_namespace("uts");
    refused(t, &["hostname", "uts"]);
});

both!(kernel_parameters, |t: &mut Test| {
    let at = "/linux/sysctl";
    refused_value(t, at, json!({"kernel.pid_max": "1000"}), &["linux.sysctl", "kernel.pid_max"]);
    refused_value(t, at, json!({"vm.swappiness": "1"}), &["linux.sysctl", "vm.swappiness"]);
    refused_value(t, at, json!({"net.ipv4.nosuch": "1"}), &["linux.sysctl", "nosuch", "o such file or directory"]);
    refused_value(t, at, json!({"kernel.msgmax": "many"}), &["linux.sysctl", "msgmax", "nvalid argument"]);
    refused_value(t, at, json!({"net.../../kernel/pid_max": "1"}), &["linux.sysctl"]);
    t.without_namespace("ipc");
    refused_value(t, at, json!({"kernel.msgmax": "1000"}), &["linux.sysctl", "kernel.msgmax", "ipc"]);
});

both!(network_parameters_of_the_host, |t: &mut Test| {
    t.spec["mounts"].as_array_mut().unwrap().retain(|mount| mount["type"] != "sysfs" && mount["type"] != "cgroup");
    t.without_namespace("network");
    refused_value(t, "/linux/sysctl", json!({"net.ipv4.ip_forward": "1"}), &["linux.sysctl", "net.ipv4.ip_forward", "network"]);
});

both!(devices, |t: &mut Test| {
    skiff_only!(t, "runc 1.1.5 takes a relative path");
    let at = "/linux/devices";
    let device = |path: &str, kind: &str| json!([{"path": path, "type": kind, "major": 1, "minor": 3}]);
    refused_value(t, at, device("/dev/x", "z"), &["linux.devices[0].type", "z"]);
    refused_value(t, at, device("dev/x", "c"), &["linux.devices[0].path", "dev/x"]);
    if crate::common::is_skiff() {
        refused_value(
            t,
            at,
            json!([{"path": "/dev/x", "type": "c", "major": -1, "minor": 3}]),
            &["linux.devices[0].major", "-1"],
        );
    }
});

both!(propagation, |t: &mut Test| {
    refused_value(t, "/linux/rootfsPropagation", json!("sideways"), &["linux.rootfsPropagation", "sideways"]);
});

both!(oom_score_out_of_range, |t: &mut Test| {
    refused_value(t, "/process/oomScoreAdj", json!(1001), &["oomScoreAdj", "1001"]);
});

host_only!(memory_limits_that_contradict, |t: &mut Test| {
    skiff_only!(t, "on version 1 the kernel decides");
    let at = "/linux/resources/memory";
    refused_value(t, at, json!({"limit": 67_108_864, "swap": 33_554_432}), &["linux.resources.memory.swap"]);
});

// Fields that are known and not built yet: refused by name, never skipped.

both!(what_is_not_built_yet_is_refused_by_name, |t: &mut Test| {
    skiff_only!(t, "it has them");
    for (pointer, value) in [
        ("/process/apparmorProfile", json!("docker-default")),
        ("/process/selinuxLabel", json!("system_u:system_r:container_t:s0")),
        ("/process/scheduler", json!({"policy": "SCHED_BATCH"})),
        ("/process/ioPriority", json!({"class": "IOPRIO_CLASS_BE", "priority": 4})),
        ("/linux/mountLabel", json!("system_u:object_r:container_file_t:s0")),
        ("/linux/intelRdt", json!({"closID": "x"})),
        ("/linux/netDevices", json!({"eth7": {"name": "eth0"}})),
        ("/linux/memoryPolicy", json!({"mode": "MPOL_BIND", "nodes": "0"})),
    ] {
        let field = pointer[1..].replace('/', ".");
        refused_value(t, pointer, value, &["config.json", &field, "not supported"]);
    }
});

// The call.

both!(an_unwritable_pid_file, |t: &mut Test| {
    refused_call(t, &["create", "--pid-file", "/nowhere/pid", &t.id], &["/nowhere/pid", "o such file or directory"]);
    refused_call(t, &["run", "--pid-file", "/nowhere/pid", &t.id], &["/nowhere/pid", "o such file or directory"]);
});

both!(a_state_root_that_is_a_file, |t: &mut Test| {
    fs::write(t.root(), "in the way").unwrap();
    let root = t.root();
    let out = t.call(&["create", &t.id]);
    assert!(out.code == 1 && out.stderr.contains(root.to_str().unwrap()), "{out:?}");
    fs::remove_file(root).unwrap();
    t.assert_nothing_left();
});

host_only!(calls_that_nobody_understands, |t: &mut Test| {
    for args in [
        &["nosuchcommand"][..],
        &["--nosuchoption", "list"],
        &["create"],
        &["create", "a", "b"],
        &["kill"],
        &["state"],
        &["delete"],
        &["start"],
        &["create", "--nosuchoption", "x"],
        &["--log-format", "xml", "list"],
        &["run", "--preserve-fds", "many", "x"],
    ] {
        let out = t.call(args);
        assert_ne!(out.code, 0, "{out:?}");
        assert!(!out.stderr.is_empty() || !out.stdout.is_empty(), "{out:?}");
        t.assert_nothing_left();
    }
});

host_only!(usage_errors_are_one_line_with_exit_code_1, |t: &mut Test| {
    skiff_only!(t, "it prints its help");
    for (args, word) in [
        (&["nosuchcommand"][..], "nosuchcommand"),
        (&["create"], "ID"),
        (&["create", "--nosuchoption", "x"], "--nosuchoption"),
        (&["--log-format", "xml", "list"], "xml"),
        (&["run", "--preserve-fds", "many", "x"], "many"),
    ] {
        t.call(args).fails_with(&[word, "level=error"]);
    }
});

host_only!(an_unwritable_log, |t: &mut Test| {
    let out = t.call(&["--log", "/nowhere/log", "state", "nobody"]);
    assert!(out.code == 1 && !out.stderr.is_empty(), "{out:?}");
});
