//! `ps`: the container's processes by their pids on the host.

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

both!(unknown_id, |t: &mut Test| {
    t.call(&["ps", "nobody"]).fails_with(&["container does not exist"]);
});
