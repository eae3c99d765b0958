//! `update`: limits of a container that is there, read back from the kernel's files.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::common::{Out, Test};

/// The container's directory with the files of `controller`.
fn dir(t: &Test, controller: &str) -> PathBuf {
    let v2 = t.mode.is_v2();
    let of_controller = |dir: &PathBuf| {
        let hierarchy = dir.iter().nth(4).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        v2 || hierarchy.split(',').any(|name| name == controller)
    };
    t.cgroups().into_iter().find(of_controller).unwrap_or_else(|| panic!("no cgroup of {controller}"))
}

/// What a file of the container's cgroup holds: the name on version 1, and on version 2.
fn held(t: &Test, controller: &str, v1: &str, v2: &str) -> String {
    let file = if t.mode.is_v2() { v2 } else { v1 };
    fs::read_to_string(dir(t, controller).join(file)).unwrap_or_else(|error| panic!("{file}: {error}")).trim().to_owned()
}

fn memory(t: &Test) -> String {
    held(t, "memory", "memory.limit_in_bytes", "memory.max")
}

fn pids(t: &Test) -> String {
    held(t, "pids", "pids.max", "pids.max")
}

/// Quota and period.
fn bandwidth(t: &Test) -> String {
    if t.mode.is_v2() {
        return held(t, "cpu", "", "cpu.max");
    }
    format!("{} {}", held(t, "cpu", "cpu.cfs_quota_us", ""), held(t, "cpu", "cpu.cfs_period_us", ""))
}

fn update(t: &Test, flags: &[&str]) -> Out {
    t.call(&[&["update", t.id.as_str()], flags].concat())
}

/// With the resources on stdin.
fn update_json(t: &Test, resources: &Value) -> Out {
    let mut command = t.command(&["update", "--resources", "-", &t.id]);
    command.stdin(Stdio::from(text(t, &resources.to_string())));
    t.finish_command(command)
}

fn text(t: &Test, text: &str) -> fs::File {
    let path = t.dir().join("resources.json");
    fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
    fs::File::open(&path).unwrap()
}

/// A running container with limits, or the reason why there can be none.
fn limited(t: &mut Test) -> Result<(), String> {
    if let Some(reason) = ["memory", "pids", "cpu"].iter().find_map(|name| t.mode.missing_controller(name)) {
        return Err(reason);
    }
    t.spec["linux"]["resources"]["memory"] = json!({"limit": 67_108_864, "reservation": 33_554_432});
    t.spec["linux"]["resources"]["pids"] = json!({"limit": 20});
    t.spec["linux"]["resources"]["cpu"] = json!({"shares": 512, "quota": 20_000, "period": 50_000});
    t.running();
    Ok(())
}

macro_rules! limited {
    ($t:expr) => {
        if let Err(reason) = limited($t) {
            skip!($t, "{reason}");
        }
    };
}

both!(flags_change_what_they_name, |t: &mut Test| {
    limited!(t);
    update(t, &["--memory", "96m"]).ok();
    assert_eq!((memory(t).as_str(), pids(t).as_str(), bandwidth(t).as_str()), ("100663296", "20", "20000 50000"));
    update(t, &["--pids-limit=33"]).ok();
    assert_eq!((memory(t).as_str(), pids(t).as_str()), ("100663296", "33"));
    update(t, &["--cpu-quota", "10000"]).ok();
    assert_eq!(bandwidth(t), "10000 50000");
    update(t, &["--cpu-period", "100000"]).ok();
    assert_eq!(bandwidth(t), "10000 100000");
    update(t, &["--cpu-share=1024"]).ok();
    assert_eq!(held(t, "cpu", "cpu.shares", "cpu.weight"), if t.mode.is_v2() { "100" } else { "1024" });
    update(t, &["--memory-reservation", "16m"]).ok();
    assert_eq!(held(t, "memory", "memory.soft_limit_in_bytes", "memory.low"), "16777216");
});

both!(nothing_named_is_nothing_changed, |t: &mut Test| {
    limited!(t);
    let before = (memory(t), pids(t), bandwidth(t));
    update(t, &[]).ok();
    update_json(t, &json!({})).ok();
    assert_eq!((memory(t), pids(t), bandwidth(t)), before);
    t.call(&["update", "nobody"]).fails_with(&["does not exist"]);
});

both!(minus_one_takes_a_limit_away, |t: &mut Test| {
    limited!(t);
    update(t, &["--pids-limit", "-1", "--cpu-quota=-1", "--memory", "-1"]).ok();
    assert_eq!(pids(t), "max");
    assert_eq!(bandwidth(t), if t.mode.is_v2() { "max 50000" } else { "-1 50000" });
    assert_eq!(memory(t), if t.mode.is_v2() { "max" } else { "9223372036854771712" });
});

both!(json_is_partial_too, |t: &mut Test| {
    limited!(t);
    update_json(t, &json!({"memory": {"limit": 134_217_728}})).ok();
    assert_eq!((memory(t).as_str(), pids(t).as_str(), bandwidth(t).as_str()), ("134217728", "20", "20000 50000"));
    fs::write(t.dir().join("new.json"), r#"{"cpu":{"quota":30000},"pids":{"limit":44}}"#).unwrap();
    let file = format!("--resources={}", t.dir().join("new.json").display());
    t.call(&["update", &file, &t.id]).ok();
    assert_eq!((memory(t).as_str(), pids(t).as_str(), bandwidth(t).as_str()), ("134217728", "44", "30000 50000"));
});

both!(what_kubernetes_sends, |t: &mut Test| {
    limited!(t);
    let swap = t.mode.is_v2() || fs::exists("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes").unwrap();
    let mut resources = json!({"devices": [{"allow": false, "access": "rwm"}],
        "memory": {"limit": 100_663_296}, "cpu": {"shares": 102, "quota": 20_000, "period": 100_000}});
    if swap {
        resources["memory"]["swap"] = json!(100_663_296);
    }
    update_json(t, &resources).ok();
    assert_eq!((memory(t).as_str(), bandwidth(t).as_str()), ("100663296", "20000 100000"));
    // A list that names no device is what these clients always send; it takes none away.
    t.call(&["exec", &t.id, "/bin/sh", "-c", ": >/dev/null"]).ok();
});

both!(a_value_stays_through_a_second_update, |t: &mut Test| {
    limited!(t);
    update(t, &["--cpu-quota=40000"]).ok();
    update(t, &["--cpu-period=80000"]).ok();
    assert_eq!(bandwidth(t), "40000 80000");
});

both!(a_refused_update_changes_nothing, |t: &mut Test| {
    limited!(t);
    let before = (memory(t), pids(t), bandwidth(t));
    for (resources, words) in [
        (json!({"pids": {"limit": 30}, "memory": {"limit": -7}}), "memory.limit"),
        (json!({"pids": {"limit": 30}, "memory": {"limit": 33_554_432, "swap": 5}}), "memory.swap"),
        // The kernel's own word: a period above one second.
        (json!({"pids": {"limit": 30}, "cpu": {"quota": 9_000_000, "period": 9_000_000}}), "cpu"),
        (json!({"pids": {"limit": 30}, "cpu": {"idle": 7}}), "cpu.idle"),
    ] {
        let out = update_json(t, &resources);
        if crate::common::is_skiff() {
            out.fails_with(&[words]);
            assert_eq!((memory(t), pids(t), bandwidth(t)), before, "{resources}");
        }
    }
});

both!(a_limit_below_what_is_used_is_refused_if_asked, |t: &mut Test| {
    limited!(t);
    skiff_only!(t, "checkBeforeUpdate came with runc 1.2");
    update_json(t, &json!({"memory": {"limit": 4096, "checkBeforeUpdate": true}})).fails_with(&["checkBeforeUpdate", "4096"]);
    assert_eq!(memory(t), "67108864");
    assert_eq!(t.status(), "running");
});

both!(what_cannot_be_read_is_explained, |t: &mut Test| {
    t.running();
    skiff_only!(t, "the words are skiff's");
    let mut command = t.command(&["update", "-r", "-", &t.id]);
    command.stdin(Stdio::from(text(t, "{\"memory\":")));
    t.finish_command(command).fails_with(&["parse stdin", "line 1"]);
    update_json(t, &json!({"memory": {"limit": "much"}})).fails_with(&["parse stdin", "memory.limit"]);
    update(t, &["--resources", "/nowhere"]).fails_with(&["read --resources /nowhere", "no such file"]);
    update(t, &["--memory", "much"]).fails_with(&["--memory", "much"]);
    update(t, &["--l3-cache-schema", "L3:0=f"]).fails_with(&["not supported"]);
    t.call(&["update", "--memory=1g", "nobody"]).fails_with(&["container does not exist"]);
});

both!(a_stopped_container_has_no_limits_to_change, |t: &mut Test| {
    t.args(&["/bin/true"]);
    t.create();
    t.start();
    t.wait_status("stopped");
    t.call(&["update", "--pids-limit", "5", &t.id]).fails_with(&["container not running"]);
});

both!(a_list_of_devices_replaces_the_rules, |t: &mut Test| {
    skiff_only!(t, "runc leaves devices alone");
    // Opening it to write takes no capability.
    t.spec["linux"]["devices"] = json!([{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11, "fileMode": 438}]);
    t.running();
    let open = |t: &Test| t.call(&["exec", &t.id, "/bin/sh", "-c", "exec 3>/dev/kmsg"]).code;
    assert_ne!(open(t), 0);
    let rules = json!([{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 11, "access": "w"}]);
    update_json(t, &json!({"devices": rules})).ok();
    assert_eq!(open(t), 0);
    update_json(t, &json!({"devices": [{"allow": false, "access": "rwm"}]})).ok();
    assert_eq!(open(t), 0, "boilerplate takes nothing away");
    update_json(t, &json!({"devices": [{"allow": false, "type": "c", "major": 1, "minor": 11, "access": "rwm"}]})).ok();
    assert_ne!(open(t), 0);
});
