//! `state`: the document, and the status through a container's life.

use std::fs;

use serde_json::json;

use crate::common::Test;

both!(the_document, |t: &mut Test| {
    t.spec["annotations"] = json!({"com.example.a": "1", "com.example.b": "two words"});
    t.create();
    let state = t.state();
    assert_eq!(state["ociVersion"], t.spec["ociVersion"]);
    assert_eq!(state["id"], t.id);
    assert_eq!(state["status"], "created");
    assert_eq!(state["bundle"], t.bundle().to_str().unwrap());
    assert_eq!(state["rootfs"], t.rootfs().to_str().unwrap());
    assert_eq!(state["annotations"], t.spec["annotations"]);
    assert!(state["pid"].as_i64().unwrap() > 0);
    let created = state["created"].as_str().unwrap();
    assert!(created.len() > 19 && created.as_bytes()[10] == b'T' && created.ends_with('Z'), "{created}");
});

both!(the_form, |t: &mut Test| {
    t.create();
    let out = t.call(&["state", &t.id]);
    assert!(out.ok().starts_with("{\n  \"ociVersion\": "), "{}", out.stdout);
    assert!(t.state().get("annotations").is_none(), "empty annotations are left out");
    assert!(t.state()["owner"].is_string());
});

both!(created_running_stopped, |t: &mut Test| {
    t.running();
    assert_eq!(t.status(), "running");
    let pid = t.pid();
    assert!(fs::metadata(format!("/proc/{pid}")).is_ok());
    t.kill("KILL");
    t.wait_status("stopped");
    assert_eq!(t.state()["pid"], 0);
});

both!(a_container_that_nobody_reaps_is_stopped, |t: &mut Test| {
    t.args(&["/bin/true"]);
    t.create();
    t.start();
    // We are the parent by now and have not waited: the process stays a zombie.
    t.wait_status("stopped");
});

both!(unknown_id, |t: &mut Test| {
    t.call(&["state", "nobody"]).fails_with(&["container does not exist"]);
});

both!(a_changed_config_changes_nothing, |t: &mut Test| {
    t.sh("echo first");
    let out = t.create();
    t.sh("echo second");
    t.spec["annotations"] = json!({"late": "yes"});
    t.start();
    out.wait_for("first");
    t.write_spec = false;
    fs::remove_file(t.bundle().join("config.json")).unwrap();
    assert!(t.state().get("annotations").is_none());
    t.wait_status("stopped");
    t.call(&["delete", &t.id]).ok();
});
