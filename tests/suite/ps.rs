//! `ps`: the container's processes by their pids on the host.

use std::fs;

use crate::common::Test;

both!(json, |t: &mut Test| {
    t.sh("sleep 1000000 & echo ready; wait");
    let out = t.create();
    t.start();
    out.wait_for("ready");
    let ps = t.call(&["ps", "--format", "json", &t.id]);
    let pids: Vec<i32> = serde_json::from_str(ps.ok()).unwrap();
    assert!(pids.contains(&t.pid()) && pids.len() == 2, "{pids:?}");
    assert!(ps.stdout.starts_with('[') && ps.stdout.ends_with("]\n"), "{ps:?}");
});

both!(table, |t: &mut Test| {
    if std::process::Command::new("ps").arg("--version").output().is_err() {
        skip!(t, "the host has no ps");
    }
    t.running();
    let pid = t.pid().to_string();
    let out = t.call(&["ps", &t.id]);
    let lines: Vec<&str> = out.ok().lines().collect();
    assert!(lines[0].contains("PID") && lines.len() == 2, "{out:?}");
    assert!(lines[1].contains(&pid) && lines[1].contains("sleep"), "{out:?}");
});

both!(options_of_ps_are_passed_on, |t: &mut Test| {
    if std::process::Command::new("ps").arg("--version").output().is_err() {
        skip!(t, "the host has no ps");
    }
    t.running();
    let pid = t.pid().to_string();
    let out = t.call(&["ps", &t.id, "-e", "-o", "pid,args"]);
    let lines: Vec<&str> = out.ok().lines().collect();
    assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["PID", "COMMAND"]);
    assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), [&pid, "/bin/sleep", "1000000"]);
});

both!(a_created_container_has_its_init, |t: &mut Test| {
    t.create();
    let pids: Vec<i32> = serde_json::from_str(t.call(&["ps", "-f", "json", &t.id]).ok()).unwrap();
    assert_eq!(pids, [t.pid()]);
});

both!(processes_in_cgroups_that_the_container_made, |t: &mut Test| {
    t.remount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "rw"]);
    t.sh("sleep 1000000 & for dir in /sys/fs/cgroup /sys/fs/cgroup/*; do [ -e $dir/cgroup.procs ] || continue; \
          mkdir -p $dir/a/b; echo $! >$dir/a/b/cgroup.procs; done; echo ready; wait");
    let out = t.create();
    t.start();
    out.wait_for("ready");
    let inner: Vec<String> = t.cgroups().iter().filter_map(|dir| fs::read_to_string(dir.join("a/b/cgroup.procs")).ok()).collect();
    let moved = inner.iter().find_map(|text| text.trim().parse::<i32>().ok()).expect("none was moved");
    let mut pids: Vec<i32> = serde_json::from_str(t.call(&["ps", "-f", "json", &t.id]).ok()).unwrap();
    pids.sort_unstable();
    let mut wanted = [t.pid(), moved];
    wanted.sort_unstable();
    assert_eq!(pids, wanted);
});

both!(unknown_id, |t: &mut Test| {
    t.call(&["ps", "nobody"]).fails_with(&["container does not exist"]);
});
