//! What a module may use: memory, time, instructions, address space.

use serde_json::json;

use crate::common::{Test, refused};
use crate::wasm::{ask, cache, forget, module, place};

/// Pages that a grown memory has at the end.
fn grew(text: &str) -> u64 {
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("grew to ").and_then(|rest| rest.strip_suffix(" pages")).and_then(|pages| pages.parse().ok()).unwrap()
}

fn limit_memory(t: &mut Test, bytes: u64) {
    t.spec["linux"]["resources"]["memory"] = json!({"limit": bytes});
}

// 137 would be the kernel's answer.
guests!(the_limit_of_the_container_is_a_failed_grow, |t| {
    if let Some(reason) = t.mode.missing_controller("memory") {
        skip!(t, "{reason}");
    }
    limit_memory(t, 64 << 20);
    for way in ["touch", "grow"] {
        module(t, "memory", &[way]);
        let out = t.run();
        let pages = grew(out.ok());
        assert!((64..1024).contains(&pages), "{out:?}");
    }
    module(t, "memory", &["malloc"]);
    assert!(t.run().ok().contains("malloc gave"));
});

// The interpreter's form of it is larger than all that it computes with.
guests!(the_limit_of_the_container_for_a_real_program, |t| {
    let program = cache().join("programs/qjs.wasm");
    if let Some(reason) = t.mode.missing_controller("memory") {
        skip!(t, "{reason}");
    }
    if !program.exists() {
        skip!(t, "no qjs.wasm (integration/wasm/build programs)");
    }
    module(t, "hello", &[]);
    place(&program, &t.rootfs().join("qjs.wasm"));
    let script = "let all = []; try { for (;;) all.push(new Uint8Array(1 << 20).fill(1)) } catch { let n = all.length; all = 0; print(n) }";
    t.file("/eat.js", script, 0o644);
    t.args(&["/qjs.wasm", "/eat.js"]);
    limit_memory(t, 64 << 20);
    let eaten: u32 = t.run().ok().trim().parse().unwrap();
    assert!((8..56).contains(&eaten), "{eaten} MiB of 64");
});

guests!(the_limit_of_the_annotation_counts_first, |t| {
    if t.mode.missing_controller("memory").is_none() {
        limit_memory(t, 256 << 20);
    }
    module(t, "memory", &["touch"]);
    ask(t, "memory", "8m");
    assert_eq!(grew(t.run().ok()), 114);
});

guests!(a_memory_that_begins_too_large, |t| {
    module(t, "pages-1024", &[]);
    ask(t, "memory", "32m");
    refused(t, &["exec: ", "/pages-1024.wasm", "begins with 67108864 bytes", "limit of 33554432"]);
    if t.mode.missing_controller("memory").is_none() {
        forget(t);
        module(t, "pages-1024", &[]);
        limit_memory(t, 32 << 20);
        refused(t, &["/pages-1024.wasm", "begins with 67108864 bytes", "more than the limit"]);
    }
});

guests!(an_address_space_that_is_too_small, |t| {
    module(t, "hello", &[]);
    let limit = |bytes: u64| json!([{"type": "RLIMIT_AS", "soft": bytes, "hard": bytes}]);
    t.spec["process"]["rlimits"] = limit(4 << 30);
    refused(t, &["exec: ", "/hello.wasm", "RLIMIT_AS is 4294967296", "address space"]);
    t.spec["process"]["rlimits"] = limit(64 << 30);
    assert_eq!(t.run().ok(), "hello from wasm\n");
});

// With too few a wait would end at once, or never.
guests!(descriptors_that_are_too_few, |t| {
    module(t, "wait", &["sleep", "1"]);
    let limit = |number: u64| json!([{"type": "RLIMIT_NOFILE", "soft": number, "hard": number}]);
    t.spec["process"]["rlimits"] = limit(5);
    refused(t, &["exec: ", "/wait.wasm", "RLIMIT_NOFILE is 5", "takes 6 descriptors"]);
    t.spec["process"]["rlimits"] = limit(6);
    ask(t, "timeout", "10m");
    assert_eq!(t.run().ok(), "sleep\nawake\n");
});

guests!(a_limit_of_time, |t| {
    for state in ["busy", "sleep", "read"] {
        module(t, "wait", &[state]);
        ask(t, "timeout", "200ms");
        let mut command = t.command(&["run", &t.id]);
        command.stdin(std::process::Stdio::piped());
        let out = t.spawn(command).wait();
        assert!(out.exits(124).stderr.contains("wall-clock limit"), "{out:?}");
        t.assert_nothing_left();
    }
    module(t, "hello", &[]);
    ask(t, "timeout", "1h");
    t.run().ok();
});

// It is counted from the start, not from create.
guests!(time_before_the_start_does_not_count, |t| {
    module(t, "wait", &["sleep", "0"]);
    ask(t, "timeout", "5s");
    let out = t.create();
    t.start();
    out.wait_for("awake");
});

guests!(fuel, |t| {
    module(t, "wait", &["busy"]);
    ask(t, "fuel", "1000000");
    let out = t.run();
    assert!(out.exits(134).stderr.contains("the fuel limit of 1000000 instructions is used up"), "{out:?}");
    module(t, "hello", &[]);
    t.run().ok();
    t.spec["annotations"]["org.skiff.wasm.interpret"] = json!("false");
    refused(t, &["annotation org.skiff.wasm.fuel", "only the interpreter counts"]);
});

guests!(limits_of_the_kernel_hold_too, |t| {
    module(t, "fds", &[]);
    t.spec["process"]["rlimits"] =
        json!([{"type": "RLIMIT_NOFILE", "soft": 6, "hard": 6}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]);
    t.spec["process"]["oomScoreAdj"] = json!(500);
    t.run().ok();
});
