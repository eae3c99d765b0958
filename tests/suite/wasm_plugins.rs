//! WasmEdge's plugins: shared libraries of the administrator's that a module asks for by name.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::common::{Out, Test};
use crate::settings::with_settings;
use crate::wasm::{ask, module, prefix, sources};

/// `(import "demo" "answer" (func (result i32)))`, called by `(export "run" (func (result i32)))`.
const MODULE: &[u8] = b"\0asm\x01\0\0\0\x01\x05\x01\x60\0\x01\x7f\x02\x0f\x01\x04demo\x06answer\0\0\x03\x02\x01\0\
    \x07\x07\x01\x03run\0\x01\x0a\x06\x01\x04\0\x10\0\x0b";

/// The plugin in a directory that is root's, and a container that asks for it; `None`: it cannot be built here.
fn plugin(t: &mut Test) -> Option<PathBuf> {
    let directory = t.dir().join("plugins");
    fs::create_dir(&directory).unwrap();
    let (source, library) = (sources().join("plugin.c"), directory.join("demo.so"));
    let include = format!("-I{}", prefix().join("include").display());
    let built = Command::new("cc").args(["-shared", "-fPIC", &include]).arg(&source).arg("-o").arg(&library).output();
    if !built.is_ok_and(|built| built.status.success()) {
        return None;
    }
    fs::set_permissions(&library, Permissions::from_mode(0o755)).unwrap();
    module(t, "hello", &[]);
    fs::write(t.rootfs().join("asks.wasm"), MODULE).unwrap();
    t.args(&["/asks.wasm#run"]);
    ask(t, "plugins", "demo");
    Some(library)
}

fn run(t: &Test) -> Out {
    let text = format!("[wasm]\nplugin_dir = '{}'\n", t.dir().join("plugins").display());
    t.finish_command(with_settings(t, &text, "true", &t.command(&["run", &t.id])))
}

macro_rules! plugins {
    ($name:ident, $body:expr) => {
        guests!($name, |t: &mut Test| {
            let Some(library) = plugin(t) else { skip!(t, "no cc, or no headers of the engine") };
            let body: fn(&mut Test, PathBuf) = $body;
            body(t, library);
        });
    };
}

plugins!(a_module_asks_for_one, |t, _| {
    run(t).exits(42);
    ask(t, "plugins", "");
    run(t).fails_with(&["/asks.wasm", "imports what nothing provides: demo.answer"]);
    ask(t, "plugins", "other");
    run(t).fails_with(&["plugin other: ", "/plugins/other.so: no such file or directory"]);
});

// Root's, also where the container has users of its own, in whose namespace nobody is root yet.
plugins!(users_of_its_own, |t, _| {
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    t.with_namespace("user");
    t.spec["linux"]["uidMappings"] = map.clone();
    t.spec["linux"]["gidMappings"] = map;
    run(t).exits(42);
});

plugins!(that_others_could_have_written, |t, library| {
    let words =
        |path: &PathBuf| format!("plugin demo: {}: not root's, or others may write it, or a symbolic link", path.display());
    let directory = library.parent().unwrap().to_owned();
    for path in [&library, &directory] {
        for mode in [0o775, 0o757] {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            run(t).fails_with(&[&words(path)]);
        }
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        chown(path, Some(1000), None).unwrap();
        run(t).fails_with(&[&words(path)]);
        chown(path, Some(0), None).unwrap();
    }
    let above = t.dir().to_owned();
    fs::set_permissions(&above, Permissions::from_mode(0o777)).unwrap();
    run(t).fails_with(&[&words(&above)]);
    fs::set_permissions(&above, Permissions::from_mode(0o1777)).unwrap();
    run(t).exits(42);
    fs::rename(&library, above.join("moved.so")).unwrap();
    symlink(above.join("moved.so"), &library).unwrap();
    run(t).fails_with(&[&words(&library)]);
});
