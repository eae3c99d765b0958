//! Defects of WasmEdge 0.17.1 that skiff works around (docs/wasm.md lists them). A test that fails here says that one is fixed:
//! then the work-around that its comment names can go.

use crate::common::{Scratch, run, runner};
use crate::exits::{SLEEPS, endless};
use crate::raw::{Raw, child, pages, wasi};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use wasmedge_sys::ffi::*;

const CLEAN_TRAP: i32 = 3;
const RECURSION: &str = r#"(module (memory (export "memory") 1)
    (func $again (param i32) (result i32) (i32.store (i32.const 64) (local.get 0))
      (i32.add (call $again (i32.add (local.get 0) (i32.const 1))) (i32.load (i32.const 64))))
    (func (export "_start") (drop (call $again (i32.const 0)))))"#;

fn module(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// `Limits::pages` refuses it beforehand.
#[test]
fn initial_memory_above_the_limit_is_cut_not_refused() {
    let mut raw = Raw::new();
    // SAFETY: a live context.
    unsafe { WasmEdge_ConfigureSetMaxMemoryPage(raw.config, 2) };
    let instance = raw.instantiate(&module(r#"(module (memory (export "memory") 5))"#)).unwrap();
    assert_eq!(pages(instance), 2);
}

/// `Limits::check_address_space` and `can_reserve` find it beforehand.
#[test]
fn a_reservation_that_fails_gives_a_memory_of_no_page() {
    assert_eq!(child("reservation", "on").status.code(), Some(0));
}

/// `log::take_over`.
#[test]
fn the_log_goes_to_stdout() {
    let output = child("log", "on");
    assert!(String::from_utf8_lossy(&output.stdout).contains("loading failed"), "{output:?}");
}

/// `heap`.
#[test]
fn the_interpreters_stack_has_no_limit() {
    let output = child("recursion", "");
    assert_ne!(output.status.code(), Some(CLEAN_TRAP), "{output:?}");
}

/// `fault`: its handler runs on the stack that is full.
#[test]
fn a_stack_overflow_of_compiled_code_kills() {
    let scratch = Scratch::new();
    match scratch.compiled(&scratch.wat(RECURSION)) {
        Ok(path) => assert_eq!(child("recursion", path.to_str().unwrap()).status.signal(), Some(libc::SIGSEGV)),
        Err(reason) => crate::skip!("{reason}"),
    }
}

/// `Engine::load` sets it afterwards.
#[test]
fn a_cost_limit_set_before_the_executor_exists_is_lost() {
    let spin = module(
        r#"(module (func (export "_start") (local i32) (local.set 0 (i32.const 1000))
        (loop $l (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#,
    );
    let mut raw = Raw::new();
    // SAFETY: live contexts.
    unsafe {
        WasmEdge_ConfigureStatisticsSetCostMeasuring(raw.config, true);
        raw.statistics = WasmEdge_StatisticsCreate();
        WasmEdge_StatisticsSetCostLimit(raw.statistics, 10);
    }
    let instance = raw.instantiate(&spin).unwrap();
    assert_eq!(raw.call(instance, "_start"), Ok(()));
}

/// `engine::invalid` says what it means.
#[test]
fn shared_memory_is_called_malformed() {
    let result = Raw::new().instantiate(&module("(module (memory 1 1 shared))"));
    assert_eq!(result.unwrap_err(), WasmEdge_ErrCode_MalformedLimitFlags);
}

/// `logging`: ours.
#[test]
fn wasi_logging_writes_to_any_file() {
    let scratch = Scratch::new();
    let file = scratch.path().join("escaped");
    child("logging", file.to_str().unwrap());
    assert!(file.exists());
}

/// `wasi::preopen` tries them beforehand.
#[test]
fn a_preopen_that_does_not_exist_is_skipped() {
    assert!(!wasi("/data:/no/such/directory").is_null());
}

/// `wasi::preopen` refuses colons: the path would be another one.
#[test]
fn a_colon_in_a_preopen_cuts_its_path() {
    let scratch = Scratch::new();
    let mut native = 0;
    let preopen = wasi(&format!("/data:{}:more", scratch.path().display()));
    // SAFETY: a live WASI module, and a pointer of ours to be filled.
    assert_eq!(unsafe { WasmEdge_ModuleInstanceWASIGetNativeHandler(preopen, 3, &mut native) }, 0);
    assert_eq!(std::fs::read_link(format!("/proc/self/fd/{native}")).unwrap(), scratch.path());
}

/// `World::landlock`: the kernel has to do it.
#[test]
fn a_read_only_preopen_can_be_changed_in_its_subdirectories() {
    let source = r#"#include <fcntl.h>
        #include <sys/stat.h>
        #include <unistd.h>
        int main(void) { int d = open("/data/sub", O_RDONLY | O_DIRECTORY); unlinkat(d, "file", 0); mkdirat(d, "new", 0755); }"#;
    let scratch = Scratch::new();
    let module = match scratch.c(source, &[]) {
        Ok(module) => module,
        Err(reason) => crate::skip!("{reason}"),
    };
    std::fs::create_dir_all(scratch.path().join("data/sub")).unwrap();
    scratch.file("data/sub/file", b"");
    run(&["landlock=on", &format!("dir=/data:{}/data:ro", scratch.path().display())], &module, &[]);
    assert!(!scratch.path().join("data/sub/file").exists() && scratch.path().join("data/sub/new").exists());
}

/// `report::callers` sets it right.
#[test]
fn the_interpreters_stack_names_the_entry_twice_and_leaves_callers_out() {
    let output = child("stack", "on");
    let text = String::from_utf8_lossy(&output.stdout);
    // `_start` is 3, and `second`, which calls in its first instruction, is 1.
    assert!(text.lines().any(|line| line.contains("calling stack:3, 3, 2")), "{text}");
}

/// `integration/engine/build` keeps the linker's directory empty but for one name.
#[test]
fn the_build_script_of_wasmedge_sys_sets_the_library_path_of_rustc() {
    // Of this platform alone: what others need was never downloaded.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--filter-platform", &platform])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata = String::from_utf8_lossy(&output.stdout);
    // Every package names its manifest.
    let manifests = metadata.split("\"manifest_path\":\"").skip(1).filter_map(|rest| rest.split('"').next());
    let manifest = manifests.into_iter().find(|path| path.contains("/wasmedge-sys-")).unwrap();
    let directory = manifest.strip_suffix("/Cargo.toml").unwrap();
    let script = std::fs::read_to_string(format!("{directory}/build.rs")).unwrap();
    assert!(script.contains("cargo:rustc-env=LD_LIBRARY_PATH"));
}

/// Nothing works around this: a guest that sleeps wakes up when its container has been paused.
#[test]
fn a_wait_ends_early_when_the_process_has_been_stopped() {
    let scratch = Scratch::new();
    let module = scratch.wat(&endless(SLEEPS));
    let mut child = runner().arg(&module).stdout(Stdio::piped()).spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 3]).unwrap();
    let pid = child.id().cast_signed();
    // The state of a process in its first line of numbers, behind the name: S sleeps, T is stopped.
    let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().rsplit_once(") ").unwrap().1.chars().next();
    while state() != Some('S') {
        std::thread::yield_now();
    }
    // SAFETY: a child of ours that is not reaped yet.
    unsafe { libc::kill(pid, libc::SIGSTOP) };
    while state() != Some('T') {
        std::thread::yield_now();
    }
    // SAFETY: as above.
    unsafe { libc::kill(pid, libc::SIGCONT) };
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// What the tests above run in processes of their own.
mod child {
    use super::{CLEAN_TRAP, RECURSION, module};
    use crate::raw::{Raw, argument, end, pages};
    use wasmedge_sys::ffi::*;

    fn limit(which: libc::__rlimit_resource_t, bytes: u64) {
        let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
        // SAFETY: the kernel reads one structure of ours.
        unsafe { libc::setrlimit(which, &limit) };
    }

    #[test]
    #[ignore = "a child of another test"]
    fn reservation() {
        if argument().is_none() {
            return;
        }
        limit(libc::RLIMIT_AS, 8 << 30);
        let instance = Raw::new().instantiate(&module(r#"(module (memory (export "memory") 5))"#)).unwrap();
        end(i32::try_from(pages(instance)).unwrap());
    }

    #[test]
    #[ignore = "a child of another test"]
    fn log() {
        let _ = Raw::new().instantiate(b"\0asm\x02\0\0\0");
    }

    /// With native code from the file that the argument names, or interpreted.
    #[test]
    #[ignore = "a child of another test"]
    fn recursion() {
        let Some(compiled) = argument() else { return };
        limit(libc::RLIMIT_CORE, 0);
        // Enough for an engine that limits itself; one that does not is ended by it.
        limit(libc::RLIMIT_DATA, 1 << 30);
        let mut raw = Raw::new();
        let bytes = if compiled.is_empty() { module(RECURSION) } else { std::fs::read(compiled).unwrap() };
        // SAFETY: a live context.
        unsafe { WasmEdge_ConfigureSetRunMode(raw.config, WasmEdge_RunMode_AOT) };
        let instance = raw.instantiate(&bytes).unwrap();
        end(if raw.call(instance, "_start").is_err() { CLEAN_TRAP } else { 0 });
    }

    #[test]
    #[ignore = "a child of another test"]
    fn logging() {
        let Some(file) = argument() else { return };
        // SAFETY: no arguments; the built-in plugins, and none from a directory: the environment names none.
        unsafe { WasmEdge_PluginLoadWithDefaultPaths() };
        let text = format!(
            r#"(module (import "wasi:logging/logging" "log" (func $log (param i32 i32 i32 i32 i32))) (memory (export "memory") 1)
               (data (i32.const 0) "{file}")
               (func (export "_start") (call $log (i32.const 3) (i32.const 0) (i32.const {}) (i32.const 0) (i32.const 5))))"#,
            file.len()
        );
        let mut raw = Raw::new();
        let instance = raw.instantiate(&module(&text)).unwrap();
        let _ = raw.call(instance, "_start");
    }

    #[test]
    #[ignore = "a child of another test"]
    fn stack() {
        let text = r#"(module (func $first nop unreachable) (func $second call $first) (func $third nop call $second)
            (func (export "_start") nop call $third))"#;
        let mut raw = Raw::new();
        let instance = raw.instantiate(&module(text)).unwrap();
        let _ = raw.call(instance, "_start");
    }
}
