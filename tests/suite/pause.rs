//! `pause` and `resume`.

use crate::common::{Test, wait_until};

both!(a_paused_container_stands_still_and_goes_on, |t: &mut Test| {
    t.writable().file("count", "", 0o666);
    t.sh("n=0; while :; do n=$((n + 1)); echo $n >/count; done");
    t.create();
    t.start();
    let count = t.rootfs().join("count");
    let read = || std::fs::read_to_string(&count).unwrap();
    wait_until("counts", || !read().is_empty());

    t.call(&["pause", &t.id]).ok();
    assert_eq!(t.status(), "paused");
    // What stands still is the same however late one looks: the loop would have gone round many times meanwhile.
    let before = read();
    for _ in 0..5 {
        t.call(&["state", &t.id]).ok();
    }
    assert_eq!(read(), before);

    t.call(&["resume", &t.id]).ok();
    assert_eq!(t.status(), "running");
    wait_until("counts again", || read() != before);
});

both!(a_created_container_can_be_paused, |t: &mut Test| {
    t.create();
    t.call(&["pause", &t.id]).ok();
    assert_eq!(t.status(), "paused");
    let out = t.call(&["start", &t.id]);
    assert!(out.code == 1 && out.stderr.contains("paused"), "{out:?}");
    t.call(&["resume", &t.id]).ok();
    assert_eq!(t.status(), "created");
});

both!(what_is_not_running_cannot_be_paused, |t: &mut Test| {
    t.call(&["pause", &t.id]).fails_with(&["container does not exist"]);
    t.call(&["resume", &t.id]).fails_with(&["container does not exist"]);
    t.args(&["/bin/true"]);
    t.create();
    t.start();
    t.wait_status("stopped");
    t.call(&["pause", &t.id]).fails_with(&["container not running"]);
    t.call(&["resume", &t.id]).fails_with(&["container not paused"]);
});

both!(pause_and_resume_are_no_switches, |t: &mut Test| {
    t.running();
    t.call(&["resume", &t.id]).fails_with(&["container not paused"]);
    t.call(&["pause", &t.id]).ok();
    t.call(&["pause", &t.id]).fails_with(&["container not running"]);
    t.call(&["delete", &t.id]).fails_with(&["paused"]);
    t.call(&["delete", "--force", &t.id]).ok();
    t.assert_nothing_left();
});

both!(a_container_without_a_cgroup_cannot_be_paused, |t: &mut Test| {
    skiff_only!(t, "crun's option");
    t.running_with(&["--cgroup-manager=disabled"]);
    t.call(&["pause", &t.id]).fails_with(&["the container has no cgroup that can be frozen"]);
    assert_eq!(t.status(), "running");
});

both!(kill_ends_a_paused_container, |t: &mut Test| {
    t.running();
    t.call(&["pause", &t.id]).ok();
    t.kill("KILL");
    t.wait_status("stopped");
});
