//! Where a module lies, whose it is, and in which containers it runs.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::common::{Out, Test, copy_program, refused, wait_until};
use crate::users::{self, NOBODY, one_id, rootless};
use crate::wasm::{annotate, ask, engine, forget, guest, module, place, proc_file, put, smart};

const HELLO: &str = "hello from wasm\n";

/// Any place at all, and nothing but modules.
fn strict(t: &mut Test, args: &[&str]) -> Out {
    annotate(t, "run.oci.handler", "wasm");
    t.args(args).run()
}

guests!(found_as_programs_are, |t| {
    put(t, "hello", "/app/hello.wasm");
    put(t, "hello", "/opt/bin/in-path");
    t.spec["process"]["env"] = json!(["PATH=/nowhere:/opt/bin:/bin"]);
    t.spec["process"]["cwd"] = json!("/app");
    for name in ["/app/hello.wasm", "./hello.wasm", "../app/hello.wasm", "hello.wasm", "in-path"] {
        assert_eq!(strict(t, &[name]).ok(), HELLO, "{name}");
    }
    t.spec["process"]["cwd"] = json!("/");
    assert_eq!(strict(t, &["app/hello.wasm"]).ok(), HELLO);
    refused(t.args(&["hello.wasm"]), &["hello.wasm", "executable file not found in $PATH"]);
    fs::hard_link(t.rootfs().join("app/hello.wasm"), t.rootfs().join("app/odd # name.wasm")).unwrap();
    assert_eq!(strict(t, &["/app/odd # name.wasm"]).ok(), HELLO);
    std::os::unix::fs::symlink("app/hello.wasm", t.rootfs().join("link")).unwrap();
    assert_eq!(strict(t, &["/link"]).ok(), HELLO);
});

guests!(a_path_before_a_smart_native_program, |t| {
    put(t, "hello", "/opt/bin/echo");
    t.spec["process"]["env"] = json!(["PATH=/opt/bin:/bin"]);
    annotate(t, "run.oci.handler", "wasm-smart");
    assert_eq!(t.args(&["echo", "x"]).run().ok(), HELLO);
    t.spec["process"]["env"] = json!(["PATH=/bin:/opt/bin"]);
    assert_eq!(t.args(&["echo", "x"]).run().ok(), "x\n");
});

guests!(functions_by_name, |t| {
    put(t, "reactor", "/reactor.wasm");
    assert_eq!(strict(t, &["/reactor.wasm#greet"]).ok(), "reactor: initialized\n");
    strict(t, &["/reactor.wasm#seven"]).exits(7);
    strict(t, &["reactor.wasm#fail"]).exits(134);
    refused(t.args(&["/reactor.wasm"]), &["/reactor.wasm", "exports no function _start", "greet", "FILE#FUNCTION"]);
    refused(t.args(&["/reactor.wasm#nobody"]), &["/reactor.wasm", "exports no function nobody", "greet"]);
    refused(t.args(&["/reactor.wasm#add"]), &["function add takes parameters"]);
    put(t, "world", "/world.wasm");
    let out = strict(t, &["/world.wasm#_start", "x"]);
    assert!(out.exits(0).stdout.starts_with("arg 0 [/world.wasm]\narg 1 [x]\n"), "{out:?}");
});

guests!(on_a_volume, |t| {
    let volume = t.dir().join("volume");
    place(&guest("hello"), &volume.join("hello.wasm"));
    t.bind(&volume, "/modules", &["bind", "ro", "noexec", "nosuid", "nodev"]);
    let file = volume.join("hello.wasm");
    t.bind(&file, "/one.wasm", &["bind", "ro"]);
    for name in ["/modules/hello.wasm", "/one.wasm"] {
        assert_eq!(strict(t, &[name]).ok(), HELLO);
        annotate(t, "run.oci.handler", "wasm-smart");
        assert_eq!(t.run().ok(), HELLO);
        ask(t, "sniff", "true");
        t.spec["annotations"]["run.oci.handler"] = json!("");
        assert_eq!(t.run().ok(), HELLO);
    }
});

guests!(read_by_its_user_only, |t| {
    put(t, "hello", "/private.wasm");
    let file = t.rootfs().join("private.wasm");
    fs::set_permissions(&file, Permissions::from_mode(0o400)).unwrap();
    chown(&file, Some(1000), Some(1000)).unwrap();
    for handler in ["wasm", "wasm-smart"] {
        annotate(t, "run.oci.handler", handler);
        t.args(&["/private.wasm"]);
        t.spec["process"]["user"] = json!({"uid": 1000, "gid": 1000});
        assert_eq!(t.run().ok(), HELLO);
        for other in [0, 1001] {
            t.spec["process"]["user"] = json!({"uid": other, "gid": other});
            refused(t, &["/private.wasm", "permission denied"]);
        }
    }
});

guests!(a_root_that_cannot_be_written, |t| {
    assert_eq!(t.spec["root"]["readonly"], json!(true));
    module(t, "hello", &[]);
    assert_eq!(t.run().ok(), HELLO);
    // Not even a directory that the runtime would like to have.
    for dir in ["proc", "sys", "dev"] {
        let _ = fs::remove_dir(t.rootfs().join(dir));
    }
    t.spec["mounts"] = json!([]);
    t.spec["linux"]["maskedPaths"] = json!([]);
    t.spec["linux"]["readonlyPaths"] = json!([]);
    t.writable();
    assert_eq!(t.run().ok(), HELLO);
});

// A scratch image, as `FROM scratch; ADD hello.wasm /` makes it.
guests!(an_image_of_nothing_else, |t| {
    let rootfs = t.dir().join("empty");
    place(&guest("hello"), &rootfs.join("hello.wasm"));
    t.spec["root"]["path"] = json!(rootfs);
    t.writable();
    assert_eq!(strict(t, &["/hello.wasm"]).ok(), HELLO);
    assert_eq!(strict(t, &["hello.wasm"]).ok(), HELLO);
});

guests!(without_any_capability, |t| {
    module(t, "hello", &[]);
    t.capabilities(&[]);
    t.spec["process"]["noNewPrivileges"] = json!(true);
    t.spec["process"]["user"] = json!({"uid": 65534, "gid": 65534});
    assert_eq!(t.run().ok(), HELLO);
});

// As clients resolve their profiles for a container.
guests!(under_the_profiles_of_clients, |t| {
    for text in [include_str!("../fixtures/podman58-v2-run.json"), include_str!("../fixtures/docker28-v1-run.json")] {
        let config: Value = serde_json::from_str(text).unwrap();
        t.spec["linux"]["seccomp"] = config["linux"]["seccomp"].clone();
        assert!(t.spec["linux"]["seccomp"]["syscalls"].is_array());
        under_a_profile(t);
    }
});

fn under_a_profile(t: &mut Test) {
    for no_new_privileges in [false, true] {
        t.spec["process"]["noNewPrivileges"] = json!(no_new_privileges);
        module(t, "hello", &[]);
        assert_eq!(t.run().ok(), HELLO);
        t.file("/data/note", "a note\n", 0o644);
        module(t, "files", &["read", "/data/note"]);
        assert_eq!(t.run().ok(), "a note\n");
        module(t, "trap", &["divide"]);
        t.run().exits(134);
        module(t, "wait", &["sleep"]);
        ask(t, "timeout", "100ms");
        t.run().exits(124);
        forget(t);
    }
}

guests!(users_of_its_own, |t| {
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    t.with_namespace("user");
    t.spec["linux"]["uidMappings"] = map.clone();
    t.spec["linux"]["gidMappings"] = map;
    put(t, "hello", "/hello.wasm");
    smart(t, "wait", &["sleep"]);
    t.spec["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    let owned = Command::new("chown").args(["-R", "-h", "100000:100000"]).arg(t.rootfs()).status().unwrap();
    assert!(owned.success());
    let out = t.create();
    t.start();
    out.wait_for("sleep");
    assert!(proc_file(t, "status").contains("\nUid:\t101000\t101000\t101000\t101000\n"));
    assert_eq!(t.call(&["exec", &t.id, "/hello.wasm"]).ok(), HELLO);
    assert_eq!(t.call(&["exec", &t.id, "/bin/id", "-u"]).ok(), "1000\n");
    t.kill("TERM");
    t.wait_status("stopped");
});

// Without privileges.

/// A call by a user without privileges, of binaries that they can execute.
#[track_caller]
fn as_nobody(t: &Test, args: &[&str]) -> Out {
    let sibling = t.dir().join("skiff-wasm");
    if !sibling.exists() {
        copy_program(&engine(), &sibling);
    }
    let mut command = users::command(t, &[], args);
    command.stdin(Stdio::null());
    t.finish_command(command)
}

guests!(without_privileges, |t| {
    smart(t, "wait", &["sleep"]);
    rootless(t, &one_id());
    let call = |args: &[&str]| as_nobody(t, args).ok().to_string();
    call(&["create", &t.id]);
    call(&["start", &t.id]);
    let state: Value = serde_json::from_str(&call(&["state", &t.id])).unwrap();
    let pid = &state["pid"];
    let status = || fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    wait_until("the filter of a running guest", || status().contains("\nSeccomp:\t2\n"));
    assert!(status().contains(&format!("\nUid:\t{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}\n")));
    call(&["kill", &t.id, "TERM"]);
    wait_until("the end", || call(&["state", &t.id]).contains("stopped"));
    call(&["delete", &t.id]);
    t.assert_nothing_left();
});

guests!(exec_without_privileges, |t| {
    smart(t, "wait", &["sleep"]);
    put(t, "exit", "/exit.wasm");
    rootless(t, &one_id());
    as_nobody(t, &["run", "--detach", &t.id]).ok();
    as_nobody(t, &["exec", &t.id, "/exit.wasm", "proc", "7"]).exits(7);
    assert_eq!(as_nobody(t, &["exec", &t.id, "/bin/id", "-u"]).ok(), "0\n");
    as_nobody(t, &["exec", &t.id, "/bin/nobody"]).exits(255);
    as_nobody(t, &["delete", "--force", &t.id]).ok();
    t.assert_nothing_left();
});

guests!(in_front_without_privileges, |t| {
    module(t, "exit", &["proc", "300"]);
    rootless(t, &one_id());
    assert_eq!(as_nobody(t, &["run", &t.id]).exits(44).stdout, "proc 300\n");
    t.args(&["/bin/true"]);
    as_nobody(t, &["run", &t.id]).fails_with(&["/bin/true", "not a WebAssembly module"]);
    t.assert_nothing_left();
});
