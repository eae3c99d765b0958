//! `kill`: signals by name and number, and whom they reach.

use crate::common::{Test, wait_until};

both!(term_is_the_default, |t: &mut Test| {
    t.sh("trap 'echo got TERM; exit 0' TERM; echo ready; while true; do sleep 0.01; done");
    let out = t.create();
    t.start();
    out.wait_for("ready");
    t.call(&["kill", &t.id]).ok();
    out.wait_for("got TERM");
    t.wait_status("stopped");
});

both!(names_and_numbers, |t: &mut Test| {
    t.sh("trap 'echo got USR1' USR1; echo ready; while true; do sleep 0.01; done");
    let out = t.create();
    t.start();
    out.wait_for("ready");
    for (count, signal) in ["USR1", "SIGUSR1", "10", "usr1"].into_iter().enumerate() {
        t.kill(signal);
        wait_until(signal, || out.stdout_now().matches("got USR1").count() == count + 1);
    }
});

both!(an_unknown_signal_is_refused, |t: &mut Test| {
    t.running();
    t.call(&["kill", &t.id, "NOSUCH"]).fails_with(&["NOSUCH"]);
    t.call(&["kill", &t.id, "SIGNOSUCH"]).fails_with(&["SIGNOSUCH"]);
    assert_eq!(t.status(), "running");
});

both!(a_number_out_of_range_is_refused, |t: &mut Test| {
    t.running();
    t.call(&["kill", &t.id, "999"]).exits(1);
    assert_eq!(t.status(), "running");
});

both!(a_stopped_container_is_not_running, |t: &mut Test| {
    t.args(&["/bin/true"]);
    t.create();
    t.start();
    t.wait_status("stopped");
    t.call(&["kill", &t.id, "KILL"]).fails_with(&["container not running"]);
});

both!(all_of_a_stopped_container_is_no_error, |t: &mut Test| {
    t.args(&["/bin/true"]);
    t.create();
    t.start();
    t.wait_status("stopped");
    t.call(&["kill", "--all", &t.id, "9"]).ok();
});

both!(a_created_container_can_be_killed, |t: &mut Test| {
    t.create();
    t.kill("9");
    t.wait_status("stopped");
    t.call(&["delete", &t.id]).ok();
    t.assert_nothing_left();
});

both!(all_reaches_every_process, |t: &mut Test| {
    t.without_namespace("pid");
    t.sh("sleep 1000000 & sleep 1000001 & echo ready; wait");
    let out = t.create();
    t.start();
    out.wait_for("ready");
    t.call(&["kill", "--all", &t.id, "KILL"]).ok();
    t.wait_status("stopped");
    wait_until("the end of every process", || {
        let cgroups = t.cgroups();
        cgroups.iter().all(|dir| std::fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default().is_empty())
    });
    t.call(&["delete", &t.id]).ok();
});

both!(kill_of_a_shared_pid_namespace_reaches_every_process, |t: &mut Test| {
    skiff_only!(t, "runc since 1.2");
    t.without_namespace("pid");
    t.sh("sleep 1000000 & echo ready; wait");
    let out = t.create();
    t.start();
    out.wait_for("ready");
    t.kill("KILL");
    t.wait_status("stopped");
    wait_until("the end of every process", || {
        let cgroups = t.cgroups();
        cgroups.iter().all(|dir| std::fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default().is_empty())
    });
});

both!(unknown_id, |t: &mut Test| {
    t.call(&["kill", "nobody", "9"]).fails_with(&["container does not exist"]);
});
