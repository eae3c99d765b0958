//! The log: its form, and that it is appended to. Clients read it by machine.

use std::fs;

use serde_json::Value;

use crate::common::Test;

host_only!(without_a_file_it_is_a_line_on_stderr, |t: &mut Test| {
    let out = t.call(&["state", "nobody"]);
    out.fails_with(&["level=error msg=\"container does not exist\""]);
    assert!(out.stderr.starts_with("time=\"20"), "{out:?}");
    assert_eq!(out.stdout, "");
});

host_only!(records_are_appended, |t: &mut Test| {
    let log = t.dir().join("log");
    let log = log.to_str().unwrap();
    for _ in 0..3 {
        t.call(&["--log", log, "--log-format=json", "state", "nobody"]).exits(1);
    }
    let text = fs::read_to_string(log).unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
    for line in text.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        assert_eq!((record["level"].as_str(), record["msg"].as_str()), (Some("error"), Some("container does not exist")));
    }
});

host_only!(a_log_file_leaves_the_bare_message_on_stderr, |t: &mut Test| {
    let log = t.dir().join("log");
    let out = t.call(&["--log", log.to_str().unwrap(), "state", "nobody"]);
    assert_eq!((out.code, out.stderr.as_str()), (1, "container does not exist\n"));
    let record = fs::read_to_string(log).unwrap();
    assert!(record.starts_with("time=\"") && record.ends_with(" level=error msg=\"container does not exist\"\n"), "{record}");
});

host_only!(quotes_in_a_message, |t: &mut Test| {
    skiff_only!(t, "wording");
    t.args(&["a\"b\\c"]);
    let out = t.run();
    out.fails_with(&["level=error msg=\"", "\\\""]);
    let log = t.dir().join("log");
    t.call(&["--log", log.to_str().unwrap(), "--log-format", "json", "run", &t.id]).exits(1);
    let record: Value = serde_json::from_str(&fs::read_to_string(log).unwrap()).unwrap();
    assert!(record["msg"].as_str().unwrap().contains("executable file not found in $PATH"), "{record}");
});

host_only!(success_logs_nothing, |t: &mut Test| {
    let log = t.dir().join("log");
    let log_path = log.to_str().unwrap();
    t.call(&["--log", log_path, "--log-format", "json", "run", &t.id]).ok();
    assert_eq!(fs::read_to_string(log).unwrap_or_default(), "");
});

host_only!(options_before_the_command, |t: &mut Test| {
    skiff_only!(t, "crun's and old runc's options too");
    std::fs::create_dir(t.root()).unwrap();
    for options in [
        &["--debug"][..],
        &["--log-level", "debug"],
        &["--rootless", "auto"],
        &["--rootless=true"],
        &["--cgroup-manager=cgroupfs"],
        &["--criu", "/x"],
    ] {
        t.call(&[options, &["list"]].concat()).exits(0);
    }
});
