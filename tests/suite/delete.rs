//! `delete`: what may go, and that all of it goes.

use std::fs;

use crate::common::Test;

both!(a_created_container, |t: &mut Test| {
    t.create();
    t.call(&["delete", &t.id]).ok();
    t.assert_nothing_left();
    t.call(&["state", &t.id]).fails_with(&["container does not exist"]);
});

both!(a_running_container_is_refused, |t: &mut Test| {
    t.running();
    t.call(&["delete", &t.id]).fails_with(&["not stopped"]);
    assert_eq!(t.status(), "running");
});

both!(force_takes_a_running_container, |t: &mut Test| {
    t.running();
    t.call(&["delete", "--force", &t.id]).ok();
    t.assert_nothing_left();
});

both!(force_by_its_short_name, |t: &mut Test| {
    t.running();
    t.call(&["delete", "-f", &t.id]).ok();
    t.assert_nothing_left();
});

both!(unknown_id, |t: &mut Test| {
    t.call(&["delete", "nobody"]).fails_with(&["container does not exist"]);
});

both!(force_of_an_unknown_id_is_silent, |t: &mut Test| {
    assert_eq!(t.call(&["delete", "--force", "nobody"]).ok(), "");
});

both!(force_twice, |t: &mut Test| {
    t.running();
    t.call(&["delete", "--force", &t.id]).ok();
    t.call(&["delete", "--force", &t.id]).ok();
});

both!(an_id_can_be_used_again, |t: &mut Test| {
    for _ in 0..5 {
        t.create();
        t.call(&["delete", &t.id]).ok();
    }
    t.assert_nothing_left();
});

both!(force_takes_every_process_of_a_shared_pid_namespace, |t: &mut Test| {
    skiff_only!(t, "runc 1.1.5 leaves some now and then");
    t.without_namespace("pid");
    t.sh("sleep 1000000 & (sleep 1000001 &); echo ready; wait");
    let out = t.create();
    t.start();
    out.wait_for("ready");
    t.call(&["delete", "--force", &t.id]).ok();
    t.assert_nothing_left();
});

both!(force_takes_nested_cgroups, |t: &mut Test| {
    t.running();
    for cgroup in t.cgroups() {
        fs::create_dir_all(cgroup.join("inner/deeper")).unwrap();
    }
    t.call(&["delete", "--force", &t.id]).ok();
    t.assert_nothing_left();
});

both!(force_clears_a_state_directory_without_a_record, |t: &mut Test| {
    skiff_only!(t, "what a killed create leaves differs");
    fs::create_dir_all(t.root().join(&t.id)).unwrap();
    t.call(&["delete", "--force", &t.id]).ok();
    t.assert_nothing_left();
});

both!(force_is_no_way_out_of_the_root, |t: &mut Test| {
    fs::create_dir_all(t.dir().join("precious")).unwrap();
    fs::create_dir_all(t.root()).unwrap();
    for id in ["../precious", "..", ".", "/tmp", "a/../../precious"] {
        let out = t.call(&["delete", "--force", id]);
        assert!(t.dir().join("precious").exists(), "{out:?}");
        assert!(t.root().exists(), "{out:?}");
    }
});
