//! Compiling for the cache, with the real compiler in its sandbox: what comes out, what must not, and what the compiler can
//! reach.

// `common` has a system call in it.
#![allow(unsafe_code, clippy::unwrap_used)]

#[path = "../engine/common.rs"]
#[allow(dead_code)]
mod common;

use common::{Scratch, prefix, run};
use skiff_wasm::cache::{Cache, Key, Maker};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `aot`'s answer.
fn aot(mode: &str, scratch: &Scratch, module: &Path, options: &[&str]) -> String {
    text(&command(mode, scratch, module, options).output().unwrap())
}

fn command(mode: &str, scratch: &Scratch, module: &Path, options: &[&str]) -> Command {
    let program = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples/aot");
    assert!(program.exists(), "run the tests without --test, or build the examples first");
    let mut command = Command::new(program);
    command.arg(mode).arg(scratch.path().join("skiff/wasm")).arg(module).args(options);
    command
}

fn text(output: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)).trim().to_owned()
}

fn is_missing() -> Option<&'static str> {
    match prefix() {
        None => Some("no prefix"),
        Some(path) if !path.join("compiler").exists() => Some("the prefix has no compiler: integration/engine/build --compiler"),
        _ => None,
    }
}

macro_rules! needs_compiler {
    () => {
        if let Some(reason) = is_missing() {
            skip!("{reason}");
        }
    };
}

/// What the cache has for this module.
fn code(scratch: &Scratch, module: &Path) -> Option<Vec<u8>> {
    let cache = Cache::open(&scratch.path().join("skiff/wasm")).unwrap();
    let found = cache.lookup(&Key::of(&std::fs::read(module).unwrap(), Maker::here(2)))?;
    let mut code = Vec::new();
    std::fs::File::from(found).read_to_end(&mut code).unwrap();
    Some(code)
}

const TRAP: &str = "(module (func (export \"_start\") unreachable))";

/// Work that takes LLVM long: `functions` large ones, each with as many values alive at a time as there are locals.
fn heavy(scratch: &Scratch, functions: usize, steps: usize) -> PathBuf {
    let mut text = String::from("(module (memory 1)\n");
    for function in 0..functions {
        text += "(func (param i32) (result i32) (local i32 i32 i32 i32 i32 i32 i32 i32)\n";
        for step in 0..steps {
            let (a, b, c) = ((step * 7 + function) % 9, (step * 5 + 3) % 9, (step * 3 + 1) % 9);
            text += &format!(
                "(if (i32.lt_u (local.get {a}) (i32.const {step})) (then (local.set {b} (i32.mul (local.get {a}) (i32.load (local.get {c}))))) \
                 (else (local.set {c} (i32.add (local.get {b}) (i32.const {step})))))\n"
            );
        }
        text += "(local.get 1))\n";
    }
    scratch.wat(&(text + "(func (export \"_start\")))"))
}

#[test]
fn a_module_is_compiled_and_runs_compiled() {
    needs_compiler!();
    let scratch = Scratch::new();
    let module = scratch.wat(TRAP);
    assert_eq!(code(&scratch, &module), None);
    assert_eq!(aot("wait", &scratch, &module, &[]), "compiled [1, 2, 3, 4, 5]");
    let code = code(&scratch, &module).unwrap();
    let code = scratch.file("code", &code);
    run(&[&format!("code={}", code.display())], &module, &[]).is(134, &["compiled"]);
    assert_eq!(aot("wait", &scratch, &module, &[]), "compiled []", "it is there already");
    let left: Vec<_> =
        std::fs::read_dir(scratch.path().join("skiff/wasm")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "the entry and the lock: {left:?}");
}

/// The file can be another by the time that it is loaded.
#[test]
fn code_runs_with_the_module_that_it_was_made_of() {
    needs_compiler!();
    let scratch = Scratch::new();
    let module = scratch.wat(TRAP);
    assert_eq!(aot("wait", &scratch, &module, &[]), "compiled [1, 2, 3, 4, 5]");
    let code = scratch.file("code", &code(&scratch, &module).unwrap());
    let other = scratch.file("other.wasm", &wat::parse_str("(module (func (export \"_start\")))").unwrap());
    run(&[], &other, &[]).is(0, &[]);
    run(&[&format!("code={}", code.display()), &format!("of={}", module.display())], &other, &[]).is(134, &["compiled"]);
}

#[test]
fn code_that_came_with_the_module_is_not_used() {
    needs_compiler!();
    let scratch = Scratch::new();
    let mut bytes = wat::parse_str(TRAP).unwrap();
    bytes.extend(b"\0\x0c\x08wasmedgexyz");
    let module = scratch.file("module.wasm", &bytes);
    assert_eq!(aot("wait", &scratch, &module, &[]), "compiled [1, 2, 3, 4, 5]");
    let code = code(&scratch, &module).unwrap();
    let whole = skiff_wasm::compile::with_code(&bytes, &code).unwrap();
    assert!(!whole.windows(5).any(|part| part == b"gexyz"));
    let code = scratch.file("code", &code);
    run(&[&format!("code={}", code.display())], &module, &[]).is(134, &["compiled"]);
}

#[test]
fn nobody_waits_for_what_runs_in_the_background() {
    needs_compiler!();
    let scratch = Scratch::new();
    let module = scratch.wat(TRAP);
    let told = aot("watch", &scratch, &module, &[]);
    assert_eq!(told, "Err(ECHILD); pipes closed while it ran: true; code true");
    assert!(code(&scratch, &module).is_some());
}

#[test]
fn the_time_limit_holds_and_a_failure_is_remembered() {
    needs_compiler!();
    let scratch = Scratch::new();
    let module = heavy(&scratch, 60, 2000);
    let late = "error: compile the module: it takes longer than 1 seconds";
    assert_eq!(aot("wait", &scratch, &module, &["time=1000"]), late);
    assert_eq!(aot("wait", &scratch, &module, &[]), late, "not tried again");
    assert_eq!(aot("wait", &scratch, &module, &["again=on", "time=1500"]), late, "tried again");
    assert_eq!(code(&scratch, &module), None);
}

#[test]
fn who_waits_can_give_up() {
    needs_compiler!();
    let scratch = Scratch::new();
    let module = heavy(&scratch, 60, 2000);
    let told = aot("wait", &scratch, &module, &["patience=500"]);
    assert_eq!(told, "error: compile the module: it takes longer than the start may wait");
    // The monitor ends its worker and lets the lock go: else this would wait for ten minutes.
    assert_eq!(aot("wait", &scratch, &module, &["time=1000"]), "error: compile the module: it takes longer than 1 seconds");
}

#[test]
fn the_memory_limit_holds() {
    needs_compiler!();
    let scratch = Scratch::new();
    let module = heavy(&scratch, 60, 2000);
    let told = aot("wait", &scratch, &module, &["memory=100000000"]);
    assert_eq!(told, "error: compile the module: it takes more memory than 100000000 bytes");
    assert_eq!(code(&scratch, &module), None);
}

#[test]
fn what_is_no_module_is_said_so_and_not_tried_again() {
    needs_compiler!();
    let scratch = Scratch::new();
    let module = scratch.file("module.wasm", b"\0asm\x01\0\0\0\x01\x7f");
    assert_eq!(aot("wait", &scratch, &module, &[]), "error: compile the module: its sections do not add up");
    let module = scratch.file("other.wasm", b"\0asm\x01\0\0\0\x01\x01\x05");
    let told = aot("wait", &scratch, &module, &[]);
    assert!(told.starts_with("error: compile the module: "), "{told}");
    assert_eq!(aot("wait", &scratch, &module, &[]), told);
}

#[test]
fn a_prefix_without_a_compiler_is_named() {
    let scratch = Scratch::new();
    let module = scratch.wat(TRAP);
    std::fs::create_dir(scratch.path().join("lib")).unwrap();
    scratch.file("lib/libwasmedge.so.0", b"");
    let told = aot("wait", &scratch, &module, &[&format!("prefix={}", scratch.path().display())]);
    assert!(told.contains("integration/engine/build --compiler") && told.contains("is missing"), "{told}");
}

#[test]
fn a_user_without_rights_has_its_own() {
    needs_compiler!();
    if !nix::unistd::geteuid().is_root() {
        skip!("needs root to become somebody else");
    }
    let scratch = Scratch::new();
    let module = scratch.wat(TRAP);
    std::os::unix::fs::chown(scratch.path(), Some(1234), Some(1234)).unwrap();
    let output = command("wait", &scratch, &module, &[]).uid(1234).gid(1234).output().unwrap();
    assert_eq!(text(&output), "compiled [1, 2, 3, 4, 5]");
    use std::os::unix::fs::MetadataExt;
    assert_eq!(scratch.path().join("skiff/wasm").metadata().unwrap().uid(), 1234);
}

/// Field of `/proc/PID/status`, first word.
fn status(pid: &str, field: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(str::to_owned))?;
    Some(line.split_whitespace().next()?.to_owned())
}

/// The child of this process that is as wanted, once it is.
fn await_child(parent: &str, wanted: impl Fn(&str) -> bool) -> String {
    loop {
        let all = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut children = all.filter(|pid| status(pid, "PPid").as_deref() == Some(parent));
        if let Some(pid) = children.find(|pid| wanted(pid)) {
            return pid;
        }
        assert_ne!(status(parent, "State").as_deref(), Some("Z"), "it has ended already");
        std::thread::yield_now();
    }
}

/// What a process has open.
fn links(pid: &str) -> Vec<PathBuf> {
    let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    fds.filter_map(|fd| std::fs::read_link(fd.path()).ok()).collect()
}

/// One that fills this cache: other tests leave theirs in this process, too.
fn is_monitor(pid: &str, scratch: &Scratch) -> bool {
    status(pid, "Name").as_deref() == Some("skiff-compile") && links(pid).iter().any(|link| link.starts_with(scratch.path()))
}

#[test]
fn what_waits_for_its_turn_holds_no_file_of_a_container() {
    needs_compiler!();
    let scratch = Scratch::new();
    let module = scratch.wat(TRAP);
    let cache = Cache::open(&scratch.path().join("skiff/wasm")).unwrap();
    let slot = cache.slot(1, false, &Key::of(b"another", Maker::here(2))).unwrap();
    nix::sys::prctl::set_child_subreaper(true).unwrap();
    assert_eq!(aot("begin", &scratch, &module, &[]), "Err(ECHILD)");
    let waits = |pid: &str| {
        let call = std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
        call.split(' ').next() == Some(libc::SYS_fcntl.to_string().as_str())
    };
    let monitor = await_child(&std::process::id().to_string(), |pid| is_monitor(pid, &scratch) && waits(pid));
    assert!(!links(&monitor).contains(&module), "{:?}", links(&monitor));
    drop(slot);
    nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(monitor.parse().unwrap()), None).unwrap();
    assert!(code(&scratch, &module).is_some());
}

#[test]
fn who_got_no_processor_is_tried_again() {
    needs_compiler!();
    let scratch = Scratch::new();
    let module = heavy(&scratch, 60, 2000);
    nix::sys::prctl::set_child_subreaper(true).unwrap();
    assert_eq!(aot("begin", &scratch, &module, &["time=6000"]), "Err(ECHILD)");
    let pid = |text: &str| nix::unistd::Pid::from_raw(text.parse().unwrap());
    let monitor = await_child(&std::process::id().to_string(), |pid| is_monitor(pid, &scratch));
    let worker = await_child(&monitor, |_| true);
    nix::sys::signal::kill(pid(&worker), nix::sys::signal::Signal::SIGSTOP).unwrap();
    nix::sys::wait::waitpid(pid(&monitor), None).unwrap();
    let cache = Cache::open(&scratch.path().join("skiff/wasm")).unwrap();
    assert_eq!(cache.failure(&Key::of(&std::fs::read(&module).unwrap(), Maker::here(2))), None);
}

#[test]
fn the_compiler_has_nothing_and_can_do_nothing() {
    needs_compiler!();
    let scratch = Scratch::new();
    let module = heavy(&scratch, 60, 2000);
    // The monitor becomes this process's child when the one that begins is gone.
    nix::sys::prctl::set_child_subreaper(true).unwrap();
    let begun = aot("begin", &scratch, &module, &["time=200000"]);
    assert_eq!(begun, "Err(ECHILD)");
    let own = std::process::id().to_string();
    let monitor = await_child(&own, |pid| is_monitor(pid, &scratch));
    // With its filter it has given up all that it will.
    let worker = await_child(&monitor, |pid| status(pid, "Seccomp").as_deref() == Some("2"));
    let found = look(&worker);
    let pid = |text: &str| nix::unistd::Pid::from_raw(text.parse().unwrap());
    nix::sys::signal::kill(pid(&monitor), nix::sys::signal::Signal::SIGKILL).unwrap();
    nix::sys::wait::waitpid(pid(&monitor), None).unwrap();
    // It goes with its monitor, and comes to this process to be reaped.
    nix::sys::wait::waitpid(pid(&worker), None).unwrap();
    for (what, seen, wanted) in found {
        assert_eq!(seen, wanted, "{what}");
    }
    // What a killed monitor leaves, the next one clears away.
    assert_eq!(aot("wait", &scratch, &scratch.wat(TRAP), &[]), "compiled [1, 2, 3, 4, 5]");
    assert_eq!(cgroups_of(&monitor), Vec::<PathBuf>::new());
}

fn cgroups_of(monitor: &str) -> Vec<PathBuf> {
    let below = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect::<Vec<_>>();
    let top = below(Path::new("/sys/fs/cgroup"));
    let all = top.iter().flat_map(|dir| below(dir)).chain(top.iter().cloned());
    all.filter(|path| {
        path.to_string_lossy().contains("/skiff-compile-") && path.to_string_lossy().ends_with(&format!("-{monitor}"))
    })
    .collect()
}

/// What an observer with all rights sees of the worker, and what it should be.
fn look(pid: &str) -> Vec<(String, String, String)> {
    let root = nix::unistd::geteuid().is_root();
    let mut found = Vec::new();
    let mut add = |what: &str, seen: String, wanted: &str| found.push((what.to_owned(), seen, wanted.to_owned()));
    for field in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        add(field, status(pid, field).unwrap_or_default(), "0000000000000000");
    }
    add("NoNewPrivs", status(pid, "NoNewPrivs").unwrap_or_default(), "1");
    if root {
        add("Uid", status(pid, "Uid").unwrap_or_default(), "65534");
        add("Gid", status(pid, "Gid").unwrap_or_default(), "65534");
        add("Groups", status(pid, "Groups").unwrap_or_default(), "");
        let cgroup = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let memory = cgroup.lines().find(|line| line.contains(":memory:") || line.starts_with("0::/skiff")).unwrap_or_default();
        add("cgroup", memory.contains("/skiff-compile-").to_string(), "true");
    }
    for name in ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"] {
        let link = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/{name}")).unwrap_or_default();
        add(name, (link(pid) == link("self")).to_string(), "false");
    }
    let names = |path: String| {
        let mut names: Vec<String> = std::fs::read_dir(path)
            .map(|entries| entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
            .unwrap_or_default();
        names.sort();
        names.join(" ")
    };
    add("root", names(format!("/proc/{pid}/root")), "compiler lib out program");
    for number in 0..3 {
        let link = std::fs::read_link(format!("/proc/{pid}/fd/{number}")).unwrap_or_default();
        add("stdio", link.display().to_string(), "/dev/null");
    }
    let others = std::fs::read_dir(format!("/proc/{pid}/fd")).map(|fds| {
        fds.flatten()
            .filter_map(|fd| std::fs::read_link(fd.path()).ok())
            .map(|path| path.display().to_string())
            .filter(|path| {
                !["/dev/null", "pipe:", "/memfd:module", "/memfd:code", "/out"].iter().any(|known| path.starts_with(known))
            })
            .collect::<Vec<_>>()
            .join(" ")
    });
    add("descriptors", others.unwrap_or_default(), "");
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
    let data = limits.lines().find(|line| line.starts_with("Max data size")).unwrap_or_default();
    add("limit", data.split_whitespace().nth(3).unwrap_or_default().to_owned(), "2147483648");
    add(
        "nice",
        std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default().split(' ').nth(18).unwrap_or_default().into(),
        "19",
    );
    add("oom", std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap_or_default().trim().to_owned(), "1000");
    found
}

#[test]
fn the_commands_say_what_they_did() {
    needs_compiler!();
    use skiff_wasm::compile as commands;
    let scratch = Scratch::new();
    let module = scratch.wat(TRAP);
    let open = || Cache::open(&scratch.path().join("skiff/wasm")).unwrap();
    let maker = Maker::here(2);
    let program = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("skiff-wasm-compiler");
    let compile = || {
        let tools = commands::Tools::find(&prefix().unwrap(), &program).unwrap();
        let (mut out, file) = (Vec::new(), std::fs::File::open(&module).unwrap());
        commands::compile(&mut out, "m.wasm", file, open(), commands::Limits::default(), tools, maker.clone()).unwrap();
        String::from_utf8(out).unwrap()
    };
    let digest = skiff_wasm::cache::hex(&skiff_wasm::cache::sum(&std::fs::read(&module).unwrap()));
    assert_eq!(compile(), format!("{digest}  m.wasm: compiled\n"));
    assert_eq!(compile(), format!("{digest}  m.wasm: compiled already\n"));
    let written = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    };
    let list = written(&|out| commands::list(out, &open()).unwrap());
    assert!(
        list.lines().nth(1).unwrap().starts_with(&digest) && list.contains("wasmedge 0.17") && list.lines().count() == 2,
        "{list}"
    );
    assert_eq!(written(&|out| assert!(commands::verify(out, &open()).unwrap())), "1 good, 0 removed\n");
    let pruned = written(&|out| commands::prune(out, &open(), 0, &maker).unwrap());
    assert!(pruned.starts_with("1 removed (") && pruned.ends_with("bytes), 0 left (0 bytes)\n"), "{pruned}");
}
