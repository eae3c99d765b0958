//! `start`: once, and only a created container.

use crate::common::Test;

both!(starts_the_process, |t: &mut Test| {
    t.sh("echo started; exec sleep 1000000");
    let out = t.create();
    let pid = t.pid();
    t.start();
    out.wait_for("started");
    assert_eq!((t.status().as_str(), t.pid()), ("running", pid));
});

both!(a_running_container_is_refused, |t: &mut Test| {
    t.running();
    t.call(&["start", &t.id]).fails_with(&["running"]);
    assert_eq!(t.status(), "running");
});

both!(a_stopped_container_is_refused, |t: &mut Test| {
    t.args(&["/bin/true"]);
    t.create();
    t.start();
    t.wait_status("stopped");
    t.call(&["start", &t.id]).fails_with(&["stopped"]);
});

both!(a_container_killed_before_start_is_refused, |t: &mut Test| {
    t.create();
    t.kill("KILL");
    t.wait_status("stopped");
    t.call(&["start", &t.id]).fails_with(&["stopped"]);
});

both!(unknown_id, |t: &mut Test| {
    t.call(&["start", "nobody"]).fails_with(&["container does not exist"]);
});

both!(a_wrong_format_is_found_at_start, |t: &mut Test| {
    // The look-up cannot see it: the file is there and executable. It is the kernel that says no.
    t.file("/bin/broken", "\u{7f}not an executable", 0o755);
    t.args(&["/bin/broken"]);
    let out = t.call(&["run", &t.id]);
    assert_ne!(out.code, 0, "{out:?}");
    assert!(out.stderr.contains("exec format error"), "{out:?}");
    t.assert_nothing_left();
});
