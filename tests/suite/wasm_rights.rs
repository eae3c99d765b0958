//! What a module is given, and what it is not: directories, variables, sockets.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::common::{Out, Test, refused};
use crate::exec::exec;
use crate::wasm::{ask, module, put, smart};

/// `/files.wasm ACT...` in a writable root with `/data/note` in it.
fn files(t: &mut Test, args: &[&str]) -> Out {
    t.writable().file("/data/note", "a note\n", 0o644);
    t.file("/secret", "nobody may read this\n", 0o644);
    module(t, "files", args);
    t.run()
}

/// It ends with 1 and a word on stderr.
#[track_caller]
fn fails(out: &Out) {
    assert!(out.code == 1 && out.stdout.is_empty() && out.stderr.contains(": error "), "{out:?}");
}

guests!(the_whole_root_by_default, |t| {
    assert_eq!(files(t, &["read", "/data/note"]).ok(), "a note\n");
    files(t, &["write", "/data/new", "text"]).ok();
    assert_eq!(fs::read_to_string(t.rootfs().join("data/new")).unwrap(), "text");
    files(t, &["mkdir", "/fresh"]).ok();
    files(t, &["rename", "/data/new", "/fresh/new"]).ok();
    files(t, &["remove", "/fresh/new"]).ok();
    files(t, &["rmdir", "/fresh"]).ok();
    assert!(!t.rootfs().join("fresh").exists());
    // Not by any path that leads to the kernel's interfaces.
    fails(&files(t, &["write", "/proc/sys/kernel/hostname", "x"]));
});

guests!(a_directory_and_nothing_else, |t| {
    ask(t, "preopens", "/data:rw");
    assert_eq!(files(t, &["read", "/data/note"]).ok(), "a note\n");
    files(t, &["append", "/data/note", "more\n"]).ok();
    assert_eq!(fs::read_to_string(t.rootfs().join("data/note")).unwrap(), "a note\nmore\n");
    fails(&files(t, &["read", "/secret"]));
    fails(&files(t, &["read", "/data/../secret"]));
    fails(&files(t, &["ls", "/"]));
    symlink("../secret", t.rootfs().join("data/link")).unwrap();
    fails(&files(t, &["read", "/data/link"]));
    symlink("/secret", t.rootfs().join("data/absolute")).unwrap();
    fails(&files(t, &["read", "/data/absolute"]));
});

guests!(a_directory_to_read, |t| {
    ask(t, "preopens", "/data:ro");
    assert_eq!(files(t, &["read", "/data/note"]).ok(), "a note\n");
    for act in [
        &["write", "/data/new", "text"][..],
        &["append", "/data/note", "text"],
        &["remove", "/data/note"],
        &["mkdir", "/data/new"],
        &["rename", "/data/note", "/data/other"],
        &["symlink", "note", "/data/other"],
        &["link", "/data/note", "/data/other"],
    ] {
        fails(&files(t, act));
    }
    let names: Vec<_> = fs::read_dir(t.rootfs().join("data")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["note"]);
    assert_eq!(fs::read_to_string(t.rootfs().join("data/note")).unwrap(), "a note\n");
});

guests!(directories_under_other_names, |t| {
    ask(t, "preopens", "/in:/data:ro,/out:/tmp:rw");
    assert_eq!(files(t, &["read", "/in/note"]).ok(), "a note\n");
    fails(&files(t, &["read", "/data/note"]));
    files(t, &["write", "/out/new", "text"]).ok();
    assert_eq!(fs::read_to_string(t.rootfs().join("tmp/new")).unwrap(), "text");
    module(t, "fds", &[]);
    let out = t.run();
    assert!(out.ok().contains("preopen [in]") && out.stdout.contains("preopen [out]"), "{out:?}");
    assert!(out.stdout.ends_with("\n5 open\n"), "{out:?}");
});

guests!(directories_that_cannot_be_had, |t| {
    module(t, "hello", &[]);
    ask(t, "preopens", "/none");
    refused(t, &["preopen /none: no such file or directory"]);
    t.file("/file", "", 0o644);
    ask(t, "preopens", "/file:ro");
    refused(t, &["preopen /file: not a directory"]);
    symlink("/etc", t.rootfs().join("link")).unwrap();
    ask(t, "preopens", "/link");
    refused(t, &["preopen /link: there is a symbolic link in it"]);
    ask(t, "preopens", "/link,/etc");
    refused(t, &["preopen /link: there is a symbolic link in it"]);
    fs::create_dir(t.rootfs().join("real")).unwrap();
    symlink("/real", t.rootfs().join("indirect")).unwrap();
    fs::create_dir(t.rootfs().join("real/inner")).unwrap();
    ask(t, "preopens", "/indirect/inner");
    refused(t, &["preopen /indirect/inner: there is a symbolic link in it"]);
    ask(t, "preopens", "relative");
    refused(t, &["annotation org.skiff.wasm.preopens", "relative"]);
});

guests!(a_writable_directory_on_a_root_that_is_not, |t| {
    t.file("/data/note", "a note\n", 0o644);
    t.mount("/scratch", "tmpfs", "tmpfs", &["size=1m"]);
    let run = |t: &mut Test, args: &[&str]| {
        module(t, "files", args);
        t.run()
    };
    fails(&run(t, &["write", "/data/new", "text"]));
    assert_eq!(run(t, &["read", "/data/note"]).ok(), "a note\n");
    run(t, &["write", "/scratch/new", "text"]).ok();
});

guests!(nothing_but_stdio, |t| {
    ask(t, "profile", "deny");
    t.spec["process"]["env"] = json!(["PATH=/bin", "SECRET=1"]);
    module(t, "fds", &[]);
    assert!(t.run().ok().ends_with("\n3 open\n"));
    module(t, "world", &[]);
    let out = t.run();
    assert!(out.exits(0).stdout.starts_with("arg 0 [/world.wasm]\ncwd ["), "{out:?}");
    module(t, "echo", &["serve", "127.0.0.1", "0"]);
    let out = t.run();
    // ENOTCAPABLE.
    assert!(out.exits(1).stderr.contains("sock_open: error 76"), "{out:?}");
    // A part of it can be had.
    ask(t, "env", "SECRET");
    module(t, "world", &[]);
    assert!(t.run().stdout.contains("\nenv [SECRET=1]\ncwd "));
});

guests!(variables, |t| {
    t.spec["process"]["env"] = json!(["PATH=/bin", "A=1", "AB=2", "HOME=/nowhere"]);
    module(t, "world", &[]);
    let seen = |t: &Test| {
        let out = t.run();
        let env = out.exits(0).stdout.lines().filter_map(|line| line.strip_prefix("env [")?.strip_suffix(']').map(str::to_owned));
        env.collect::<Vec<_>>()
    };
    assert_eq!(seen(t), ["PATH=/bin", "A=1", "AB=2", "HOME=/nowhere"]);
    ask(t, "env", "A,NONE");
    assert_eq!(seen(t), ["A=1"]);
    ask(t, "env", "");
    assert_eq!(seen(t), Vec::<String>::new());
    ask(t, "env", "*");
    assert_eq!(seen(t).len(), 4);
});

// The runtime's own never gets there, nor does the container's reach the engine.
guests!(variables_of_others, |t| {
    t.spec["process"]["env"] = json!(["LD_PRELOAD=/none.so", "WASMEDGE_PLUGIN_PATH=/none", "RUST_LOG=trace"]);
    module(t, "world", &[]);
    let mut command = t.command(&["run", &t.id]);
    command.env("SKIFF_TEST_SECRET", "1");
    let out = t.finish_command(command);
    assert!(!out.exits(0).stdout.contains("SKIFF_TEST_SECRET") && out.stdout.contains("env [LD_PRELOAD=/none.so]"), "{out:?}");
    assert_eq!(out.stderr, "stderr is heard\n");
});

/// A server in the container, a client by exec in the same.
fn echo(t: &mut Test, name: &str) {
    put(t, name, "/client.wasm");
    // For one more than come: with the first process the client would end.
    smart(t, name, &["serve", "127.0.0.1", "7007", "2"]);
    let out = t.create();
    t.start();
    out.wait_for("listening 7007\n");
    assert_eq!(exec(t, &[], &["/client.wasm", "connect", "127.0.0.1", "7007", "there and back"]).ok(), "there and back\n");
    out.wait_for("echoed 14\n");
    t.call(&["delete", "--force", &t.id]).ok();
}

guests!(sockets, |t| {
    for name in ["echo", "echo-v2", "echo-wasi"] {
        echo(t, name);
    }
});

guests!(no_sockets, |t| {
    ask(t, "sockets", "false");
    for name in ["echo", "echo-v2", "echo-wasi"] {
        for args in [["serve", "127.0.0.1", "7007"], ["connect", "127.0.0.1", "7007"]] {
            module(t, name, &args);
            let out = t.run();
            assert!(out.exits(1).stderr.contains("sock_open: error 76"), "{name}: {out:?}");
        }
    }
});

guests!(the_networks_are_the_containers, |t| {
    // Nobody listens in there, whatever listens outside.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    module(t, "echo", &["connect", "127.0.0.1", &port, "x"]);
    let out = t.run();
    assert!(out.exits(1).stderr.contains("sock_connect: error"), "{out:?}");
});
