//! `process.cwd` for modules, whose interface has no working directory: what they are told of it, and what they can make of it.

use serde_json::json;

use crate::common::Test;
use crate::wasm::{ask, cache, module, place};

const NOTE: &str = "a note of the directory";

/// `/world.wasm` in /app, where it finds a note.
fn world(t: &mut Test) {
    t.file("/app/note", NOTE, 0o644);
    module(t, "world", &[]);
    t.spec["process"]["cwd"] = json!("/app");
    t.spec["process"]["env"] = json!(["PATH=/bin", "HOME=/"]);
}

guests!(its_name_is_in_the_environment, |t| {
    world(t);
    let entered = |name: &str| format!("\nenv [PWD={name}]\ncwd [/]\nhere [ok]\nentered [{name}] note [{NOTE}]\n");
    assert!(t.run().exits(0).stdout.contains(&entered("/app")));
    ask(t, "preopens", "/in:/app:ro,/:/");
    assert!(t.run().exits(0).stdout.contains(&entered("/in")), "by the name that the module knows");
});

guests!(its_name_is_left_out, |t| {
    world(t);
    let shown = |t: &Test| t.run().exits(0).stdout.contains("PWD=");
    ask(t, "env", "PATH");
    assert!(!shown(t), "it is a variable as others are");
    ask(t, "env", "*");
    ask(t, "preopens", "/bin");
    assert!(!shown(t), "the module has no name for it");
    ask(t, "preopens", "/");
    t.spec["process"]["cwd"] = json!("/");
    assert!(!shown(t), "every module begins there");
    t.spec["process"]["cwd"] = json!("/app");
    t.spec["process"]["env"] = json!(["PWD=/of/its/own"]);
    assert!(t.run().exits(0).stdout.contains("\nenv [PWD=/of/its/own]\n"));
});

guests!(rust_can_enter_it, |t| {
    let rust = cache().join("rust/rust.wasm");
    if !rust.exists() {
        skip!(t, "no rust.wasm (integration/wasm/build rust)");
    }
    world(t);
    place(&rust, &t.rootfs().join("rust.wasm"));
    assert_eq!(t.args(&["/rust.wasm", "enter", "note"]).run().ok(), NOTE);
});

// The C library takes `.` and `/` for one name, so the directory can stand for either, but not beside the root.
guests!(relative_paths_begin_at_a_preopen_of_that_name, |t| {
    t.file("/app/note", NOTE, 0o644);
    t.file("/other/file", "elsewhere", 0o644);
    module(t, "files", &["read", "note"]);
    ask(t, "preopens", "/other,.:/app");
    assert_eq!(t.run().ok(), NOTE);
    assert_eq!(t.args(&["/files.wasm", "read", "/other/file"]).run().ok(), "elsewhere");
});
