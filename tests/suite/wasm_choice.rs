//! Who decides that a module runs as one, and what becomes of files that are none.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::common::{Test, binary, copy_program, refused};
use crate::exec;
use crate::wasm::{annotate, ask, call_by, engine, forget, guest, module, put, smart};

const HELLO: &str = "hello from wasm\n";
const SMART: [(&str, &str); 2] = [("run.oci.handler", "wasm-smart"), ("module.wasm.image/variant", "compat-smart")];
const STRICT: [(&str, &str); 3] =
    [("run.oci.handler", "wasm"), ("run.oci.handler", "wasmedge"), ("module.wasm.image/variant", "compat")];

/// `/hello.wasm` without any annotation.
fn hello(t: &mut Test) {
    put(t, "hello", "/hello.wasm");
    t.args(&["/hello.wasm"]);
}

/// Replaces all annotations by one.
fn only(t: &mut Test, (key, value): (&str, &str)) {
    forget(t);
    annotate(t, key, value);
}

guests!(each_annotation_that_asks_for_it, |t| {
    hello(t);
    for asked in STRICT.into_iter().chain(SMART) {
        only(t, asked);
        assert_eq!(t.run().ok(), HELLO, "{asked:?}");
    }
});

guests!(without_a_word_the_kernel_decides, |t| {
    hello(t);
    refused(t, &["/hello.wasm", "permission denied"]);
    fs::set_permissions(t.rootfs().join("hello.wasm"), fs::Permissions::from_mode(0o755)).unwrap();
    let out = t.run();
    assert!(out.code == 1 && out.stderr.contains("exec format error"), "{out:?}");
    only(t, ("module.wasm.image/variant", "other"));
    t.run().exits(1);
});

guests!(a_name_that_ends_in_wasm, |t| {
    hello(t);
    for target in [binary(), engine()] {
        let program = t.dir().join("x-wasm");
        symlink(target, &program).unwrap();
        let run = |t: &Test| call_by(t, &program, &["run", &t.id]);
        hello(t);
        assert_eq!(run(t).ok(), HELLO);
        t.sh("echo native");
        assert_eq!(run(t).ok(), "native\n");
        hello(t);
        only(t, ("io.kubernetes.cri.container-type", "sandbox"));
        run(t).fails_with(&["/hello.wasm", "permission denied"]);
        forget(t);
        fs::remove_file(&program).unwrap();
    }
});

guests!(the_second_binary_is_a_runtime_by_itself, |t| {
    hello(t);
    only(t, STRICT[0]);
    assert_eq!(call_by(t, &engine(), &["run", &t.id]).ok(), HELLO);
    forget(t);
    t.sh("echo native");
    assert_eq!(call_by(t, &engine(), &["run", &t.id]).ok(), "native\n");
});

guests!(sandboxes_are_native, |t| {
    for key in ["io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType"] {
        module(t, "hello", &[]);
        annotate(t, key, "sandbox");
        refused(t, &["/hello.wasm", "permission denied"]);
        t.sh("echo native");
        assert_eq!(t.run().ok(), "native\n");
        annotate(t, key, "container");
        refused(t, &["not a WebAssembly module"]);
    }
});

guests!(smart_leaves_everything_else_native, |t| {
    t.file("/script", "#!/bin/sh\necho a script of $0\n", 0o755);
    t.file("/text.wasm", "echo not for the kernel\n", 0o755);
    copy_program(&guest("native"), &t.rootfs().join("named.wasm"));
    fs::set_permissions(t.rootfs().join("named.wasm"), fs::Permissions::from_mode(0o755)).unwrap();
    for asked in SMART {
        only(t, asked);
        assert_eq!(t.run_sh("echo native; exit 0"), "native\n");
        assert_eq!(t.args(&["echo", "by its name"]).run().ok(), "by its name\n");
        assert_eq!(t.args(&["/script"]).run().ok(), "a script of /script\n");
        // The name says nothing.
        assert_eq!(t.args(&["/named.wasm"]).run().ok(), "hello from a native program\n");
        assert!(t.args(&["/text.wasm"]).run().stderr.contains("exec format error"));
        t.sh("exit 7").run().exits(7);
        refused(t.args(&["/none"]), &["/none", "stat /none: no such file or directory"]);
        refused(t.args(&["none"]), &["none", "executable file not found in $PATH"]);
    }
});

guests!(strict_takes_nothing_else, |t| {
    for asked in STRICT {
        only(t, asked);
        t.args(&["/bin/true"]);
        refused(t, &["/bin/true", "not a WebAssembly module", "run.oci.handler=wasm-smart", "compat-smart"]);
    }
    refused(t.args(&["/none.wasm"]), &["/none.wasm", "stat /none.wasm: no such file or directory"]);
    refused(t.args(&["none.wasm"]), &["none.wasm", "executable file not found in $PATH"]);
    refused(t.args(&["/bin"]), &["/bin", "is a directory: permission denied"]);
    refused(t.args(&["/dev/null"]), &["/dev/null", "permission denied"]);
});

guests!(what_is_not_quite_a_module, |t| {
    for asked in [STRICT[0], SMART[0]] {
        only(t, asked);
        for (name, words) in [
            ("component", ["a WebAssembly component (WASI 0.2)", "wasm32-wasip1"]),
            ("truncated", ["truncated", "the file ends within a section"]),
            ("version", ["version 0x2", "does not know"]),
            ("wat", ["text form", "wat2wasm"]),
            ("wasix", ["nothing provides", "WASIX"]),
            ("unknown", ["nothing provides", "env.teleport"]),
            ("invalid", ["not a valid WebAssembly module", "invalid.wasm"]),
        ] {
            put(t, name, &format!("/{name}.wasm"));
            t.args(&[&format!("/{name}.wasm")]);
            let out = t.call(&["create", &t.id]);
            out.fails_with(&["exec: ", &format!("/{name}.wasm"), words[0], words[1]]);
            t.assert_nothing_left();
        }
        refused(t.args(&["/"]), &["process.args", "`/`", "Spin"]);
    }
});

guests!(sniffing, |t| {
    hello(t);
    ask(t, "sniff", "true");
    assert_eq!(t.run().ok(), HELLO);
    assert_eq!(t.run_sh("echo native"), "native\n");
    put(t, "wat", "/wat.wasm");
    refused(t.args(&["/wat.wasm"]), &["/wat.wasm", "permission denied"]);
    t.running();
    assert_eq!(exec::exec(t, &[], &["/hello.wasm"]).ok(), HELLO);
    assert_eq!(exec::inside(t, &[], "echo native"), "native\n");
});

guests!(plugins_are_not_looked_for_where_there_are_none, |t| {
    smart(t, "hello", &[]);
    ask(t, "plugins", "wasi_nn");
    refused(t, &["annotation org.skiff.wasm.plugins", "wasi_nn", "wasm.plugin_dir"]);
});
