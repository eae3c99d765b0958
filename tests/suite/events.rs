//! `events`: the statistics in runc's shape, the stream and its end, and what is said when memory is exhausted.

use std::fs;
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::common::{Mode, Out, Running, Test, is_skiff, wait_until};

/// `events --stats`: the data.
#[track_caller]
fn stats(t: &Test) -> Value {
    data(t, &t.call(&["events", "--stats", &t.id]))
}

/// The data of the one line that was printed.
#[track_caller]
fn data(t: &Test, out: &Out) -> Value {
    let lines = lines(t, out.ok());
    assert!(lines.len() == 1 && lines[0]["type"] == "stats", "{out:?}");
    lines[0]["data"].clone()
}

/// What was printed, a JSON object a line, each with a type and the id.
#[track_caller]
fn lines(t: &Test, text: &str) -> Vec<Value> {
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    for line in &lines {
        assert!(line["type"].is_string() && line["id"] == t.id, "{line}");
    }
    lines
}

/// Starts `events` with an interval that never passes, and waits until it watches.
#[track_caller]
fn watching(t: &Test) -> Running {
    let running = t.spawn(t.command(&["events", "--interval", "1000h", &t.id]));
    let fds = format!("/proc/{}/fd", running.pid());
    let timer = || fs::read_dir(&fds).into_iter().flatten().flatten().any(|fd| is_timer(&fd.path()));
    wait_until("events watches", timer);
    running
}

fn is_timer(fd: &Path) -> bool {
    fs::read_link(fd).is_ok_and(|link| link.to_string_lossy().contains("timerfd"))
}

fn has(t: &Test, controller: &str) -> bool {
    match t.mode.is_v2() {
        true => t.mode.v2_controllers().iter().any(|name| name == controller),
        false => Path::new("/sys/fs/cgroup").join(controller).exists(),
    }
}

fn watches(t: &Test) -> bool {
    is_skiff() || has(t, "memory")
}

/// The file of the container's cgroup, in whichever hierarchy has it.
fn file(t: &Test, name: &str) -> Option<String> {
    t.cgroups().iter().find_map(|dir| fs::read_to_string(dir.join(name)).ok())
}

#[track_caller]
fn number(text: &str, key: &str) -> u64 {
    let field = text.split_whitespace().skip_while(|word| *word != key).nth(1);
    field.unwrap_or_else(|| panic!("no {key} in {text}")).parse().unwrap()
}

/// The statistics of a container that uses the processor, once the kernel has counted any of it.
fn busy(stats: impl Fn() -> Value) -> Value {
    let mut data = stats();
    wait_until("processor time", || {
        data = stats();
        data["cpu"]["usage"]["total"].is_u64()
    });
    data
}

/// Debian's runc with an equal container, gone when dropped.
struct Runc {
    mode: Mode,
    root: PathBuf,
    id: String,
}

impl Runc {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.mode.command(Path::new("runc"));
        command.arg("--root").arg(&self.root).args(args).arg(&self.id).stdin(Stdio::null());
        command
    }
}

impl Drop for Runc {
    fn drop(&mut self) {
        let _ = self.command(&["delete", "--force"]).status();
    }
}

/// Keys of runc's that ours has not, or of another type, and ours that runc has not.
fn differences(path: &str, runc: &Value, ours: &Value, found: &mut Vec<String>) {
    let (Value::Object(theirs), Value::Object(own)) = (runc, ours) else {
        if std::mem::discriminant(runc) != std::mem::discriminant(ours) {
            found.push(format!("{path}: {ours}, not {runc}"));
        }
        return;
    };
    for key in theirs.keys().chain(own.keys().filter(|key| !theirs.contains_key(*key))) {
        let path = format!("{path}.{key}");
        match (theirs.get(key), own.get(key)) {
            (Some(runc), Some(ours)) => differences(&path, runc, ours, found),
            (runc, _) => found.push(format!("{path}: {}", if runc.is_some() { "missing" } else { "not runc's" })),
        }
    }
}

/// What may differ: runc 1.1 does not know pressure, nor peaks of version 2, nor what a hybrid host counts in the unified
/// hierarchy; and what a container reads from its devices depends on who ran before.
fn may_differ(difference: &str) -> bool {
    let key = difference.split(':').next().unwrap_or_default();
    let new = [".psi", "memory.usage.max"].iter().any(|new| key.ends_with(new)) || key.starts_with("data.hugetlb.");
    new && difference.ends_with("not runc's") || key.starts_with("data.blkio.io")
}

both!(the_shape_is_runcs, |t: &mut Test| {
    if Command::new("runc").arg("--version").stdout(Stdio::null()).status().is_err() {
        skip!(t, "the host has no runc");
    }
    // It goes on running: what is zero is left out, and a clock of ticks sees nothing of a short life.
    t.sh("dd if=/dev/zero of=/dev/shm/x bs=64k count=16 2>/dev/null; echo ready; while :; do :; done");
    let out = t.create();
    t.start();
    out.wait_for("ready");
    let ours = busy(|| stats(t));
    t.call(&["delete", "--force", &t.id]).ok();

    let runc = Runc { mode: t.mode, root: t.dir().join("runc"), id: format!("{}-runc", t.id) };
    let mut create = runc.command(&["create"]);
    create.current_dir(t.bundle());
    let out = t.finish_command(create);
    assert_eq!(out.code, 0, "{out:?}");
    assert!(runc.command(&["start"]).status().unwrap().success());
    out.wait_for("ready");
    let theirs = busy(|| {
        let line: Value = serde_json::from_str(&t.finish_command(runc.command(&["events", "--stats"])).stdout).unwrap();
        line["data"].clone()
    });

    let mut found = Vec::new();
    differences("data", &theirs, &ours, &mut found);
    found.retain(|difference| !may_differ(difference));
    assert!(found.is_empty(), "{found:#?}\nours: {ours}\nrunc's: {theirs}");
});

both!(the_numbers_are_the_kernels, |t: &mut Test| {
    t.running();
    let total = || match file(t, "cpuacct.usage") {
        Some(nanoseconds) => nanoseconds.trim().parse::<u64>().unwrap(),
        None => number(&file(t, "cpu.stat").expect("cpu.stat"), "usage_usec") * 1000,
    };
    let before = total();
    let data = stats(t);
    // A clock of ticks may have seen nothing of it yet, and zero is left out, as with runc.
    let told = data["cpu"]["usage"]["total"].as_u64().unwrap_or(0);
    let after = total();
    assert!(before <= told && told <= after, "{told} is not from {before} to {after}");
    assert_eq!(data["pids"]["current"], 1);
    if let Some(cpus) = file(t, "cpuset.sched_load_balance") {
        assert_eq!(data["cpuset"]["sched_load_balance"].to_string(), cpus.trim());
    }
    if let Some(stat) = file(t, "memory.stat") {
        let raw = data["memory"]["raw"].as_object().unwrap();
        let names: Vec<&str> = stat.lines().filter_map(|line| line.split(' ').next()).collect();
        assert!(raw.len() == names.len() && names.iter().all(|name| raw.contains_key(*name)), "{raw:?}");
        assert!(data["memory"]["usage"]["usage"].as_u64() > Some(0), "{data}");
        assert!(data["memory"]["swap"]["usage"].as_u64() >= data["memory"]["usage"]["usage"].as_u64(), "{data}");
    }
});

both!(limits, |t: &mut Test| {
    if !has(t, "memory") || !has(t, "pids") {
        skip!(t, "no memory or no pids controller");
    }
    t.spec["linux"]["resources"]["memory"] = json!({"limit": 67_108_864});
    t.spec["linux"]["resources"]["pids"] = json!({"limit": 7});
    t.running();
    let data = stats(t);
    assert_eq!(data["memory"]["usage"]["limit"], 67_108_864);
    assert_eq!(data["pids"], json!({"current": 1, "limit": 7}));
});

both!(throttling, |t: &mut Test| {
    if !has(t, "cpu") {
        skip!(t, "no cpu controller");
    }
    t.spec["linux"]["resources"]["cpu"] = json!({"quota": 5_000, "period": 50_000});
    t.sh("while :; do :; done");
    t.create();
    t.start();
    let throttled = |key: &str| number(&file(t, "cpu.stat").expect("cpu.stat"), key);
    wait_until("throttled", || throttled("nr_throttled") > 0);
    // The kernel counts micro or nanoseconds, runc tells nanoseconds.
    let (time, unit) = if t.mode.is_v2() { ("throttled_usec", 1000) } else { ("throttled_time", 1) };
    let counted = || [throttled("nr_periods"), throttled("nr_throttled"), throttled(time) * unit];
    let before = counted();
    let told = &stats(t)["cpu"]["throttling"];
    let after = counted();
    for (at, key) in ["periods", "throttledPeriods", "throttledTime"].into_iter().enumerate() {
        let told = told[key].as_u64().unwrap_or(0);
        assert!(before[at] <= told && told <= after[at], "{key}: {told} is not from {} to {}", before[at], after[at]);
    }
});

both!(pressure, |t: &mut Test| {
    skiff_only!(t, "runc has it on version 2 only, and since 1.2");
    t.running();
    let Some(before) = file(t, "cpu.pressure") else {
        skip!(t, "the kernel accounts no pressure");
    };
    let data = stats(t);
    let after = file(t, "cpu.pressure").unwrap();
    let total = |text: &str| text.lines().next().unwrap().rsplit('=').next().unwrap().parse::<u64>().unwrap();
    let told = data["cpu"]["psi"]["some"]["total"].as_u64().unwrap();
    assert!(total(&before) <= told && told <= total(&after), "{before} {told} {after}");
    for what in ["cpu", "memory", "blkio"] {
        for which in ["some", "full"] {
            let stall = data[what]["psi"][which].as_object().unwrap_or_else(|| panic!("{what}: {data}"));
            assert_eq!(stall.keys().collect::<Vec<_>>(), ["avg10", "avg300", "avg60", "total"], "{what} {which}");
        }
    }
});

both!(block_devices, |t: &mut Test| {
    if !has(t, if t.mode.is_v2() { "io" } else { "blkio" }) {
        skip!(t, "no controller of block devices");
    }
    let device = fs::metadata(t.rootfs()).unwrap().st_dev();
    let (major, minor) = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
    if major == 0 {
        skip!(t, "{} is on no block device", t.dir().display());
    }
    t.writable().sh("dd if=/dev/zero of=/out bs=4096 count=25 oflag=direct; echo ready; exec sleep 1000000");
    let out = t.create();
    // Version 1 counts what it has to limit: from Linux 6.10 on nothing else.
    for file in t.cgroups().iter().map(|dir| dir.join("blkio.throttle.write_bps_device")).filter(|file| file.exists()) {
        if fs::write(file, format!("{major}:{minor} 1000000000")).is_err() {
            skip!(t, "{major}:{minor} is no whole device");
        }
    }
    t.start();
    out.wait_for("ready");
    let blkio = &stats(t)["blkio"];
    let written = |list: &Value| {
        let mut entries = list.as_array().into_iter().flatten();
        let entry = entries.find(|entry| entry["op"] == "Write" && entry["major"] == major);
        entry.and_then(|entry| entry["value"].as_u64())
    };
    assert!(written(&blkio["ioServiceBytesRecursive"]) >= Some(102_400), "{blkio}");
    assert!(written(&blkio["ioServicedRecursive"]) >= Some(25), "{blkio}");
});

both!(huge_pages, |t: &mut Test| {
    t.running();
    if file(t, "hugetlb.2MB.max").or(file(t, "hugetlb.2MB.failcnt")).is_none() {
        skip!(t, "no hugetlb controller, or no huge pages");
    }
    if !is_skiff() && t.mode == Mode::Host {
        skip!(t, "another runtime is under test: a hybrid host's unified hierarchy");
    }
    assert_eq!(stats(t)["hugetlb"]["2MB"], json!({"failcnt": 0}));
});

both!(the_stream_ends_with_the_container, |t: &mut Test| {
    if !watches(t) {
        skip!(t, "another runtime is under test: without the memory controller it watches nothing");
    }
    t.running();
    let mut events = t.spawn(t.command(&["events", "--interval=20ms", &t.id]));
    events.wait_for("}\n{\"type\":\"stats\"");
    t.kill("KILL");
    if !is_skiff() {
        // runc waits until the cgroup is gone.
        t.wait_status("stopped");
        t.call(&["delete", &t.id]).ok();
    }
    let out = events.wait();
    let lines = lines(t, out.exits(0).stdout.as_str());
    assert!(lines.len() >= 2 && lines.iter().all(|line| line["type"] == "stats"), "{out:?}");
    assert_eq!(out.stderr, "");
});

both!(the_first_line_comes_after_an_interval, |t: &mut Test| {
    skiff_only!(t, "its timer is not to be seen");
    t.create();
    let events = watching(t);
    t.start();
    t.wait_status("stopped");
    let out = events.wait();
    assert_eq!((out.code, out.stdout.as_str(), out.stderr.as_str()), (0, "", ""));
});

both!(the_stream_follows_a_paused_container, |t: &mut Test| {
    if !watches(t) {
        skip!(t, "another runtime is under test: without the memory controller it watches nothing");
    }
    t.running();
    t.call(&["pause", &t.id]).ok();
    assert_eq!(stats(t)["pids"]["current"], 1);
    let mut events = t.spawn(t.command(&["events", "--interval", "20ms", &t.id]));
    events.wait_for("}\n{\"type\":\"stats\"");
    t.call(&["resume", &t.id]).ok();
    t.call(&["delete", "--force", &t.id]).ok();
    events.wait().exits(0);
});

both!(intervals, |t: &mut Test| {
    t.running();
    let id = t.id.clone();
    for good in [
        &["events", "--stats", "--interval", "1m30s", &id][..],
        &["events", "--stats", "--interval=500ms", &id],
        &["events", &id, "-stats", "-interval", "1.5h"],
        &["events", &id, "--interval=+2us", "--stats=true"],
    ] {
        data(t, &t.call(good));
    }
    for bad in ["0", "0s", "-1s", "-0.5ms"] {
        for words in [vec!["events", "--interval", bad, &id], vec!["events", &id, &format!("--interval={bad}")]] {
            t.call(&words).fails_with(&["duration interval must be greater than 0"]);
        }
    }
    for bad in ["5", "x", "", "1y", "1s2"] {
        let out = t.call(&["events", &format!("--interval={bad}"), &id]);
        assert!(out.code == 1 && out.stderr.contains("invalid value"), "{bad}: {out:?}");
    }
});

both!(what_is_not_there, |t: &mut Test| {
    t.call(&["events", "nobody"]).fails_with(&["container does not exist"]);
    t.call(&["events", "--interval", "0s", "nobody"]).fails_with(&["container does not exist"]);
    t.create();
    assert!(stats(t)["pids"]["current"].as_u64() > Some(0), "a created container has its init");
    t.start();
    t.wait_status("stopped");
    let words = format!("container with id {} is not running", t.id);
    t.call(&["events", &t.id]).fails_with(&[&words]);
    t.call(&["events", "--stats", &t.id]).fails_with(&[&words]);
});

both!(without_a_cgroup_there_is_nothing_to_tell, |t: &mut Test| {
    skiff_only!(t, "crun's option");
    t.running_with(&["--cgroup-manager=disabled"]);
    for words in [vec!["events", "--stats", &t.id], vec!["events", &t.id]] {
        t.call(&words).fails_with(&["no cgroup of its own"]);
    }
});

both!(without_the_memory_controller_the_log_says_so, |t: &mut Test| {
    skiff_only!(t, "runc fails");
    if has(t, "memory") {
        skip!(t, "the memory controller is there");
    }
    t.create();
    let log = t.dir().join("log");
    let global = ["--log", log.to_str().unwrap(), "--log-level", "warning"];
    let events = t.spawn(t.command(&[&global[..], &["events", &t.id]].concat()));
    wait_until("a warning", || fs::read_to_string(&log).is_ok_and(|text| text.contains("no memory controller")));
    t.call(&["delete", "--force", &t.id]).ok();
    let out = events.wait();
    assert_eq!((out.code, out.stderr.as_str()), (0, ""));
});

both!(a_reader_that_goes_away_ends_it, |t: &mut Test| {
    skiff_only!(t, "its timer is not to be seen");
    t.running();
    let mut command = t.command(&["events", "--interval", "1000h", &t.id]);
    let mut events = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let fds = PathBuf::from(format!("/proc/{}/fd", events.id()));
    wait_until("events watches", || fs::read_dir(&fds).into_iter().flatten().flatten().any(|fd| is_timer(&fd.path())));
    drop(events.stdout.take());
    let out = events.wait_with_output().unwrap();
    assert_eq!((out.status.code(), out.stderr.as_slice()), (Some(0), &b""[..]));
    // Nobody was there from the start.
    t.with_descriptors(">&-", &["events", &t.id]).exits(0);
});

both!(exhausted_memory_is_told, |t: &mut Test| {
    if !has(t, "memory") {
        skip!(t, "no memory controller");
    }
    t.spec["linux"]["resources"]["memory"] = json!({"limit": 16_777_216, "swap": 16_777_216});
    t.sh("while :; do dd if=/dev/zero of=/dev/null bs=64M count=1; done");
    t.create();
    t.start();
    let mut events = t.spawn(t.command(&["events", "--interval", "1000h", &t.id]));
    events.wait_for("}\n{");
    t.call(&["delete", "--force", &t.id]).ok();
    let out = events.wait();
    let lines = lines(t, out.exits(0).stdout.as_str());
    let oom = json!({"type": "oom", "id": t.id});
    assert!(lines.len() >= 2 && lines.iter().all(|line| *line == oom), "{out:?}");
});

both!(the_last_breath_is_told, |t: &mut Test| {
    skiff_only!(t, "its timer is not to be seen");
    if !has(t, "memory") {
        skip!(t, "no memory controller");
    }
    t.spec["linux"]["resources"]["memory"] = json!({"limit": 16_777_216, "swap": 16_777_216});
    t.sh("exec dd if=/dev/zero of=/dev/null bs=64M count=1");
    t.create();
    let events = watching(t);
    t.start();
    let out = events.wait();
    assert!(lines(t, out.exits(0).stdout.as_str()).iter().any(|line| line["type"] == "oom"), "{out:?}");
    t.wait_status("stopped");
});

both!(what_was_before_is_no_event, |t: &mut Test| {
    skiff_only!(t, "its timer is not to be seen");
    if !has(t, "memory") {
        skip!(t, "no memory controller");
    }
    t.spec["linux"]["resources"]["memory"] = json!({"limit": 16_777_216, "swap": 16_777_216});
    t.sh("dd if=/dev/zero of=/dev/null bs=64M count=1; echo ready; exec sleep 1000000");
    let out = t.create();
    t.start();
    out.wait_for("ready");
    let events = watching(t);
    t.call(&["delete", "--force", &t.id]).ok();
    let out = events.wait();
    assert_eq!((out.code, out.stdout.as_str(), out.stderr.as_str()), (0, "", ""));
});
