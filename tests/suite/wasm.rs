//! Containers whose process is a module. Here is what the tests of WebAssembly have in common; the guests are those of
//! integration/wasm, and the engine is the skiff-wasm that lies beside skiff.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::common::{Out, Test, binary, copy_program, is_skiff};

/// Runs `body` as `both!` does, where there are an engine and guests. Modules are interpreted unless it says something else: what
/// this machine has compiled before is no matter of a test.
macro_rules! guests {
    ($name:ident, $body:expr) => {
        both!($name, |t: &mut Test| {
            if let Some(reason) = $crate::wasm::missing() {
                skip!(t, "{reason}");
            }
            $crate::wasm::forget(t);
            let body: fn(&mut Test) = $body;
            body(t);
        });
    };
}

/// Why no module can run here.
pub fn missing() -> Option<String> {
    if !is_skiff() {
        return Some("another runtime is under test: what it does with modules is its own".to_owned());
    }
    if !engine().exists() {
        return Some("no skiff-wasm beside skiff (integration/engine/build, integration/engine/cargo build)".to_owned());
    }
    let guests = cache().join("guests");
    (!guests.exists()).then(|| format!("no guests in {} (integration/wasm/build guests)", guests.display()))
}

/// The second binary.
pub fn engine() -> PathBuf {
    binary().with_file_name("skiff-wasm")
}

/// Where integration/engine/build puts what it makes.
pub fn prefix() -> PathBuf {
    made("SKIFF_ENGINE", "skiff-engine")
}

/// Where integration/wasm/build does.
pub fn cache() -> PathBuf {
    made("SKIFF_WASM_GUESTS", "skiff-wasm-guests")
}

fn made(variable: &str, name: &str) -> PathBuf {
    let caches = || std::env::var_os("XDG_CACHE_HOME").map_or_else(|| "/var/cache".into(), PathBuf::from);
    std::env::var_os(variable).map_or_else(|| caches().join(name), PathBuf::from)
}

/// A call of the runtime by another path.
#[track_caller]
pub fn call_by(t: &Test, program: &Path, args: &[&str]) -> Out {
    let inner = t.command(args);
    let mut command: Command = t.mode.command(program);
    command.args(inner.get_args().skip_while(|arg| *arg != "--root"));
    command.current_dir(t.bundle()).stdin(Stdio::null());
    t.finish_command(command)
}

/// A guest's file.
pub fn guest(name: &str) -> PathBuf {
    cache().join("guests").join(name).with_extension("wasm")
}

/// Copies a guest to `path` in the root filesystem, with mode 0644.
pub fn put(t: &Test, name: &str, path: &str) {
    place(&guest(name), &t.rootfs().join(path.trim_start_matches('/')));
}

/// Copies a file, with mode 0644.
pub fn place(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    copy_program(from, to);
    fs::set_permissions(to, fs::Permissions::from_mode(0o644)).unwrap();
}

/// No annotation but the one that the tests begin with.
pub fn forget(t: &mut Test) {
    t.spec["annotations"] = json!({"org.skiff.wasm.interpret": "true"});
}

/// Sets one annotation.
pub fn annotate(t: &mut Test, key: &str, value: &str) {
    t.spec["annotations"][key] = json!(value);
}

/// Sets `org.skiff.wasm.KEY`.
pub fn ask(t: &mut Test, key: &str, value: &str) {
    annotate(t, &format!("org.skiff.wasm.{key}"), value);
}

/// The container's process is a guest, `/NAME.wasm`, with these further arguments; nothing else is accepted.
pub fn module(t: &mut Test, name: &str, args: &[&str]) {
    annotate(t, "run.oci.handler", "wasm");
    let path = format!("/{name}.wasm");
    put(t, name, &path);
    t.args(&[&[path.as_str()], args].concat());
}

/// The same, with guests that exec may run, and programs of the root filesystem beside them.
pub fn smart(t: &mut Test, name: &str, args: &[&str]) {
    module(t, name, args);
    annotate(t, "run.oci.handler", "wasm-smart");
}

/// Creates and starts `/wait.wasm STATE` and waits until it is in that state; what `create` printed.
#[track_caller]
pub fn waiting(t: &mut Test, state: &str) -> Out {
    smart(t, "wait", &[state]);
    let out = t.create();
    t.start();
    out.wait_for(state);
    out
}

/// A file of /proc of the container's first process.
#[track_caller]
pub fn proc_file(t: &Test, name: &str) -> String {
    String::from_utf8_lossy(&fs::read(format!("/proc/{}/{name}", t.pid())).unwrap()).into_owned()
}

/// The rows of expected.jsonl.
pub fn rows() -> Vec<Value> {
    let text = fs::read_to_string(sources().join("guests/expected.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The directory that the guests' sources are named from.
pub fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/wasm")
}
