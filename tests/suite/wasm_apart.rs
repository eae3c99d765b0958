//! skiff and skiff-wasm: one without the other, of different builds, with a damaged engine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::{Mode, Test, binary, copy_program};
use crate::wasm::{annotate, call_by, engine, forget, module, prefix};

/// skiff by itself in a directory.
fn alone(t: &Test) -> PathBuf {
    let program = t.dir().join("skiff");
    if !program.exists() {
        copy_program(&binary(), &program);
    }
    program
}

both!(without_the_second_binary, |t: &mut Test| {
    skiff_only!(t, "wording");
    let skiff = alone(t);
    for (key, value) in [("run.oci.handler", "wasm"), ("module.wasm.image/variant", "compat")] {
        t.spec["annotations"] = serde_json::json!({ key: value, "org.skiff.wasm.compile": "off" });
        for verb in ["create", "run"] {
            call_by(t, &skiff, &[verb, &t.id]).fails_with(&["WebAssembly", "no engine", "skiff-wasm", "docs/wasm.md"]);
            t.assert_nothing_left();
        }
    }
    annotate(t, "module.wasm.image/variant", "compat-smart");
    t.sh("echo native");
    assert_eq!(call_by(t, &skiff, &["run", &t.id]).ok(), "native\n");
    call_by(t, &skiff, &["wasm", "cache", "list"]).fails_with(&["skiff-wasm", "docs/wasm.md"]);
    assert!(call_by(t, &skiff, &["--version"]).ok().contains("\nwasm: none\n"));
});

guests!(a_module_without_the_second_binary, |t| {
    let skiff = alone(t);
    module(t, "hello", &[]);
    annotate(t, "run.oci.handler", "wasm-smart");
    call_by(t, &skiff, &["run", &t.id]).fails_with(&["/hello.wasm", "permission denied"]);
    t.assert_nothing_left();
});

guests!(the_version_names_the_engine, |t| {
    let text = t.call(&["--version"]);
    assert!(text.ok().contains("\nwasm: WasmEdge 0."), "{text:?}");
    assert_eq!(call_by(t, &engine(), &["--version"]).ok(), text.stdout);
});

/// `create` in a mount namespace of its own, after a shell command.
fn create_after(t: &Test, prepare: &str, program: &Path) -> Command {
    let inner = t.command(&["create", &t.id]);
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-ec", &format!("{prepare} && exec \"$@\""), "sh"]).arg(program);
    command.args(inner.get_args().skip_while(|arg| *arg != "--root"));
    command.current_dir(t.bundle()).stdin(Stdio::null());
    command
}

// As a skiff of another build would do it: from where nobody can write it, with a word about itself.
guests!(builds_that_do_not_belong_together, |t| {
    module(t, "hello", &[]);
    let directory = engine().parent().unwrap().display().to_string();
    let read_only = format!("mount --bind {directory} {directory} && mount -o remount,bind,ro {directory}");
    let mut command = create_after(t, &read_only, &engine());
    command.env("SKIFF_BUILD", "0.0.1 0123456789abcdef");
    let words = ["skiff is 0.0.1 0123456789abcdef", "skiff-wasm beside it", "install what belongs together"];
    t.finish_command(command).fails_with(&words);
    t.assert_nothing_left();
});

guests!(an_engine_that_is_missing_or_damaged, |t| {
    module(t, "hello", &[]);
    let prefix = prefix();
    if !prefix.join("manifest").exists() {
        skip!(t, "the engine is the system's");
    }
    let shown = prefix.display();
    let create = |t: &Test, prepare: &str| t.finish_command(create_after(t, prepare, &binary()));
    let nothing = format!("mount -t tmpfs none {shown}");
    create(t, &nothing).fails_with(&[&shown.to_string(), "missing or damaged"]);
    t.assert_nothing_left();
    let empty = format!("for file in {shown}/lib/libwasmedge.so*; do mount --bind /dev/null $file; done");
    create(t, &empty).fails_with(&["missing or damaged", "libwasmedge"]);
    t.assert_nothing_left();
    if t.mode == Mode::V2 {
        // The mount namespace of these calls is another than that of the test's others.
        return;
    }
    // What is native does not need it.
    forget(t);
    t.args(&["/bin/true"]);
    create(t, &nothing).ok();
});
