//! The process in which a module runs, looked at from outside: what it has left of the runtime, and what stands around it.
//! What happens when it tries its walls itself is told by the tests of crates/wasm.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::chown;

use serde_json::json;

use crate::common::Test;
use crate::exec::exec;
use crate::wasm::{annotate, ask, module, proc_file, put, waiting};

/// The value of a line of /proc/PID/status.
fn status_line(t: &Test, key: &str) -> String {
    let status = proc_file(t, "status");
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {key} in {status}")).trim().to_owned()
}

/// What its descriptors lead to, by their numbers, as far as the engine has not opened them for itself.
fn descriptors(t: &Test) -> Vec<(u32, String)> {
    let entries = fs::read_dir(format!("/proc/{}/fd", t.pid())).unwrap().flatten();
    let mut all: Vec<_> = entries
        .map(|entry| {
            let target = fs::read_link(entry.path()).unwrap_or_default().display().to_string();
            (entry.file_name().to_str().unwrap().parse().unwrap(), target)
        })
        .filter(|(_, target)| !["anon_inode:[eventpoll]", "anon_inode:[timerfd]"].contains(&target.as_str()))
        .collect();
    all.sort();
    all
}

guests!(a_filter_and_no_new_privileges, |t| {
    t.spec["process"]["noNewPrivileges"] = json!(false);
    for state in ["busy", "sleep"] {
        waiting(t, state);
        assert_eq!((status_line(t, "Seccomp"), status_line(t, "NoNewPrivs")), ("2".to_owned(), "1".to_owned()), "{state}");
        assert_eq!(status_line(t, "Threads"), "1");
        t.call(&["delete", "--force", &t.id]).ok();
    }
});

guests!(its_filter_is_on_top_of_the_containers, |t| {
    t.spec["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["sethostname"], "action": "SCMP_ACT_ERRNO"}]});
    waiting(t, "busy");
    assert_eq!(status_line(t, "Seccomp_filters"), "2");
    t.call(&["delete", "--force", &t.id]).ok();
    t.spec["linux"].as_object_mut().unwrap().remove("seccomp");
    waiting(t, "busy");
    assert_eq!(status_line(t, "Seccomp_filters"), "1");
});

guests!(no_descriptor_is_left_open, |t| {
    t.file("/data/note", "", 0o644);
    for (preopens, wanted) in [("", &[][..]), ("/data:ro,/tmp:rw", &["/data", "/tmp"])] {
        ask(t, "preopens", preopens);
        waiting(t, "sleep");
        let all = descriptors(t);
        let numbers: BTreeSet<u32> = all.iter().map(|(number, _)| *number).collect();
        assert!(numbers.is_superset(&BTreeSet::from([0, 1, 2])), "{all:?}");
        let others: Vec<_> = all.iter().filter(|(number, _)| *number > 2).map(|(_, target)| target.as_str()).collect();
        assert_eq!(others, wanted, "{all:?}");
        t.call(&["delete", "--force", &t.id]).ok();
    }
});

guests!(descriptors_of_the_caller_stay_outside, |t| {
    module(t, "wait", &["sleep"]);
    ask(t, "preopens", "");
    let redirections = "3</etc/passwd 4</etc/group 9</etc/hostname";
    let out = t.with_descriptors(redirections, &["create", "--preserve-fds", "2", &t.id]);
    t.start();
    out.wait_for("sleep");
    let numbers: Vec<u32> = descriptors(t).into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, [0, 1, 2], "{:?}", descriptors(t));
});

guests!(nothing_of_the_runtime_in_proc, |t| {
    t.spec["process"]["env"] = json!(["PATH=/bin", "VISIBLE=1"]);
    module(t, "wait", &["busy", "a very long argument that does not fit where the runtime's own words have been before"]);
    let mut command = t.command(&["create", &t.id]);
    command.env("SKIFF_TEST_SECRET", "1");
    let out = t.finish_command(command);
    t.start();
    out.wait_for("busy");
    let cmdline = proc_file(t, "cmdline");
    assert!(cmdline.starts_with("/wait.wasm\0busy\0a very long argument"), "{cmdline:?}");
    assert_eq!(proc_file(t, "comm"), "wait.wasm\n");
    for file in ["cmdline", "environ", "comm", "status"] {
        let text = proc_file(t, file);
        for word in ["skiff", "SKIFF", "XDG_", "--root", "create"] {
            assert!(!text.contains(word), "{word} in {file}: {text:?}");
        }
    }
});

guests!(a_name_without_a_slash, |t| {
    put(t, "wait", "/bin/a-module-with-a-long-name");
    annotate(t, "run.oci.handler", "wasm");
    t.args(&["a-module-with-a-long-name", "sleep"]);
    let out = t.create();
    t.start();
    out.wait_for("sleep");
    // The kernel keeps 15 bytes.
    assert_eq!(proc_file(t, "comm"), "a-module-with-a\n");
    assert!(proc_file(t, "cmdline").starts_with("a-module-with-a-long-name\0sleep\0"));
});

// The engine's memory is the runtime's: neither its user nor another in the container may look into it.
guests!(its_memory_is_its_own, |t| {
    for uid in [0, 1000] {
        t.spec["process"]["user"] = json!({"uid": uid, "gid": uid});
        waiting(t, "busy");
        for user in ["0:0", "1000:1000", "1001:1001"] {
            for file in ["maps", "mem", "environ", "auxv"] {
                let out = exec(t, &["--user", user], &["/bin/head", "-c", "1", &format!("/proc/1/{file}")]);
                assert!(
                    out.code == 1 && out.stdout.is_empty() && out.stderr.contains("ermission denied"),
                    "{uid} {user}: {out:?}"
                );
            }
            exec(t, &["--user", user], &["/bin/ls", "/proc/1/root/"]).exits(1);
            exec(t, &["--user", user], &["/bin/readlink", "/proc/1/fd/0"]).exits(1);
            exec(t, &["--user", user], &["/bin/readlink", "/proc/1/exe"]).exits(1);
        }
        t.call(&["delete", "--force", &t.id]).ok();
    }
});

// What the engine keeps is kept in that memory: limits, and variables that the module is not to see.
guests!(a_module_cannot_change_its_own_memory, |t| {
    t.capabilities(&["CAP_DAC_OVERRIDE"]);
    t.mount("/tmp/a proc", "proc", "proc", &[]);
    let files = ["/proc/self/mem", "/proc/1/mem", "/proc/thread-self/mem", "/proc/1/task/1/mem", "/tmp/a proc/self/mem"];
    for uid in [0, 1000] {
        t.spec["process"]["user"] = json!({"uid": uid, "gid": uid});
        for file in files {
            module(t, "files", &["append", file, "x"]);
            let out = t.run();
            // 2 is EACCES of WASI, 63 EPERM, 69 EROFS.
            let refused = ["2:", "63:", "69:"].map(|number| format!("append {file}: error {number}"));
            assert!(out.code == 1 && refused.iter().any(|words| out.stderr.contains(words)), "{uid}: {out:?}");
        }
        for file in ["maps", "smaps", "numa_maps"] {
            module(t, "files", &["read", &format!("/proc/self/{file}")]);
            assert_eq!(t.run().stdout, "");
        }
    }
});

guests!(nor_where_proc_is_somewhere_else, |t| {
    t.spec["mounts"].as_array_mut().unwrap().retain(|mount| mount["destination"] != "/proc");
    for key in ["maskedPaths", "readonlyPaths"] {
        t.spec["linux"].as_object_mut().unwrap().remove(key);
    }
    t.mount("/tmp/proc", "proc", "proc", &[]);
    // What the image says of its mounts is its own affair.
    for image in [false, true] {
        if image {
            t.file("/proc/self/mountinfo", "", 0o644);
        }
        module(t, "files", &["append", "/tmp/proc/self/mem", "x"]);
        let out = t.run();
        let refused = out.code == 1 && out.stderr.contains("append /tmp/proc/self/mem: error 2:");
        assert!(refused, "{out:?}");
    }
});

guests!(what_lies_under_another_mount_needs_no_cover, |t| {
    t.mount("/tmp/over/proc", "proc", "proc", &[]).mount("/tmp/over", "tmpfs", "tmpfs", &[]);
    module(t, "hello", &[]);
    assert_eq!(t.run().ok(), "hello from wasm\n");
});

guests!(nor_can_a_second_one, |t| {
    t.spec["process"]["user"] = json!({"uid": 0, "gid": 0});
    put(t, "files", "/files.wasm");
    waiting(t, "busy");
    for file in ["/proc/self/mem", "/proc/thread-self/mem", "/proc/1/mem"] {
        let out = exec(t, &[], &["/files.wasm", "append", file, "x"]);
        assert!(out.code == 1 && out.stderr.contains(&format!("append {file}: error 2:")), "{out:?}");
    }
    assert!(exec(t, &[], &["/bin/sh", "-c", "echo >/proc/self/comm && cat /proc/1/status"]).ok().contains("wait.wasm"));
    assert_eq!(
        exec(t, &[], &["/bin/sh", "-c", "grep -c '/mem ' /proc/self/mountinfo"]).stdout,
        "2\n",
        "covers of the first one alone"
    );
});

guests!(the_users_rights, |t| {
    t.spec["process"]["user"] = json!({"uid": 1000, "gid": 1001, "additionalGids": [7]});
    t.capabilities(&["CAP_KILL"]);
    waiting(t, "busy");
    assert_eq!(status_line(t, "Uid").split_whitespace().collect::<Vec<_>>(), ["1000"; 4]);
    assert_eq!(status_line(t, "Gid").split_whitespace().collect::<Vec<_>>(), ["1001"; 4]);
    assert_eq!(status_line(t, "Groups").split_whitespace().collect::<Vec<_>>(), ["7"]);
    assert_eq!(status_line(t, "CapBnd"), "0000000000000020");
    let namespaces = ["mnt", "net", "ipc", "uts", "pid"];
    for kind in namespaces {
        let link = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
        assert_ne!(link(&t.pid().to_string()), link("self"), "{kind}");
    }
});

guests!(files_that_only_the_user_may_write, |t| {
    t.writable().file("/data/note", "", 0o644);
    chown(t.rootfs().join("data"), Some(1000), Some(1000)).unwrap();
    module(t, "files", &["write", "/data/new", "text"]);
    t.spec["process"]["user"] = json!({"uid": 1001, "gid": 1001});
    t.run().exits(1);
    t.spec["process"]["user"] = json!({"uid": 1000, "gid": 1000, "umask": 0o077});
    t.run().ok();
    let written = fs::metadata(t.rootfs().join("data/new")).unwrap();
    use std::os::unix::fs::MetadataExt;
    assert_eq!((written.uid(), written.mode() & 0o777), (1000, 0o600));
});
