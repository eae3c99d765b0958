//! Hooks as real processes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::sync;
use nix::unistd::Pid;
use std::io::Read;
use std::os::fd::AsRawFd;

fn c(text: &str) -> CString {
    CString::new(text).unwrap()
}

fn script(text: &str) -> Hook {
    Hook {
        kind: HookKind::Prestart,
        index: 0,
        path: "/bin/sh".into(),
        args: vec![c("sh"), c("-c"), c(text)],
        env: Some(vec![c("PATH=/usr/bin:/bin")]),
        timeout: None,
    }
}

const CONTEXT: Context<'_> = Context { state: b"{}", env: &[], directory: None, umask: None };

fn failure(hook: &Hook, context: &Context<'_>) -> String {
    run_one(hook, context).unwrap_err().to_string()
}

#[test]
fn the_state_is_what_the_specification_asks_for() {
    let (none, one) = (BTreeMap::new(), BTreeMap::from([("a\"".to_owned(), "b\n".to_owned())]));
    let state = HookState {
        oci_version: "1.0.2",
        id: "c1",
        status: Status::Creating,
        pid: Some(7),
        bundle: Path::new("/b"),
        annotations: &none,
    };
    let text = String::from_utf8(state.json()).unwrap();
    assert_eq!(text, r#"{"ociVersion":"1.0.2","id":"c1","status":"creating","pid":7,"bundle":"/b"}"#);
    let state = HookState { status: Status::Stopped, pid: None, annotations: &one, ..state };
    let text = String::from_utf8(state.json()).unwrap();
    assert_eq!(text, r#"{"ociVersion":"1.0.2","id":"c1","status":"stopped","bundle":"/b","annotations":{"a\"":"b\n"}}"#);
}

#[test]
fn the_state_comes_on_stdin_to_its_end() {
    let context = Context { state: b"{\"id\":\"c1\"}", ..CONTEXT };
    assert!(failure(&script("cat; exit 1"), &context).ends_with(": exit code 1: {\"id\":\"c1\"}"));
}

#[test]
fn neither_a_long_state_nor_much_output_blocks() {
    let state = vec![b'x'; 1 << 20];
    let context = Context { state: &state, ..CONTEXT };
    let writes_first = "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2; cat | wc -c; exit 1";
    assert!(failure(&script(writes_first), &context).ends_with("1048576"));
    run_one(&script("exit 0"), &context).unwrap();
    run_one(&script("exec <&-; sleep 0.1"), &context).unwrap();
}

#[test]
fn hooks_run_in_their_order_up_to_the_first_that_fails() {
    let file = std::env::temp_dir().join(format!("skiff-hooks-{}", std::process::id()));
    let say = |word: &str| script(&format!("echo {word} >>{}; test {word} != two", file.display()));
    let mut hooks = [say("one"), say("two"), say("three")];
    hooks[1].index = 1;
    hooks[1].kind = HookKind::CreateRuntime;
    let failed = run(&hooks, &CONTEXT).unwrap_err().to_string();
    let said = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(failed, "error running createRuntime hook #1: /bin/sh: exit code 1");
    assert_eq!(said, "one\ntwo\n");
}

#[test]
fn failures_say_how_and_what_was_printed() {
    let failure = |text: &str| failure(&script(text), &CONTEXT);
    let said = "echo one; echo two >&2; exit 7";
    assert_eq!(failure(said), "error running prestart hook #0: /bin/sh: exit code 7: one\ntwo");
    assert_eq!(failure("kill -9 $$"), "error running prestart hook #0: /bin/sh: killed by signal 9");
    assert!(failure("seq 100000; exit 1").ends_with("\n99999\n100000"));
    assert!(failure("seq 100000; exit 1").len() < OUTPUT + 100);
}

#[test]
fn what_cannot_be_executed_says_why() {
    let at = |path: &str| Hook { path: path.into(), ..script("") };
    assert_eq!(failure(&at("/no/such"), &CONTEXT), "error running prestart hook #0: /no/such: exec: no such file or directory");
    assert_eq!(failure(&at("/etc/passwd"), &CONTEXT), "error running prestart hook #0: /etc/passwd: exec: permission denied");
    let nowhere = Context { directory: Some(Path::new("/no/such")), ..CONTEXT };
    assert!(failure(&script(""), &nowhere).ends_with("/bin/sh: change to its working directory: no such file or directory"));
}

#[test]
fn a_hook_is_killed_after_its_timeout() {
    let hook = Hook { timeout: Some(1), ..script("echo before; exec sleep 1000000") };
    assert!(failure(&hook, &CONTEXT).ends_with("/bin/sh: killed after its timeout of 1 s: before"));
    run_one(&Hook { timeout: Some(u32::MAX), ..script("exit 0") }, &CONTEXT).unwrap();
}

#[test]
fn nobody_waits_for_what_a_hook_leaves_behind() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    // The one left behind keeps the hook's output open; its pid comes by a descriptor of its own.
    let told = format!("exec sleep 1000000 & echo $! >/proc/{}/fd/{}", std::process::id(), writer.as_raw_fd());
    run_one(&script(&told), &CONTEXT).unwrap();
    drop(writer);
    let mut pid = String::new();
    reader.read_to_string(&mut pid).unwrap();
    kill(Pid::from_raw(pid.trim().parse().unwrap()), Signal::SIGKILL).expect("it lives on");
}

#[test]
fn environment_directory_and_mask_are_as_said() {
    let env = [c("A=fallback")];
    let context = Context { env: &env, directory: Some(Path::new("/usr")), umask: Some(0o022), ..CONTEXT };
    let print = "echo \"$0 $A\"; pwd; umask; exit 1";
    let fallback = Hook { env: None, ..script(print) };
    assert!(failure(&fallback, &context).ends_with(": sh fallback\n/usr\n0022"));
    let own = Hook { env: Some(vec![c("A=own")]), ..script(print) };
    assert!(failure(&own, &context).ends_with(": sh own\n/usr\n0022"));
    let none = Hook { env: Some(vec![]), ..script(print) };
    assert!(failure(&none, &context).ends_with(": sh \n/usr\n0022"));
}

/// The runtime's caller may ignore SIGCHLD; a shell hands that on to this test, run again.
#[test]
fn an_ignored_sigchld_loses_no_exit_code() {
    const AGAIN: &str = "SKIFF_TEST_SIGCHLD_IGNORED";
    if std::env::var_os(AGAIN).is_some() {
        assert!(failure(&script("exit 7"), &CONTEXT).ends_with("exit code 7"));
        return;
    }
    let status = std::process::Command::new("/bin/sh")
        .args(["-c", "trap '' CHLD; exec \"$0\" --exact hooks::tests::an_ignored_sigchld_loses_no_exit_code"])
        .arg(std::env::current_exe().unwrap())
        .env(AGAIN, "1")
        .stdout(std::process::Stdio::null())
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn a_failure_in_init_keeps_the_end_of_what_was_printed() {
    let mut hook = script("seq 1000; exit 1");
    hook.kind = HookKind::StartContainer;
    let fault = Fault::from(run_one(&hook, &CONTEXT).unwrap_err());
    assert!(fault.argument.starts_with("error running startContainer hook #0: /bin/sh: exit code 1: "));
    let (parent, init) = sync::pair().unwrap();
    init.failed(0, &fault).unwrap();
    let Ok(Some(sync::FromInit::Failed(failure))) = parent.hear_init() else { panic!("no failure") };
    assert!(failure.fault.argument.ends_with("\n999\n1000"));
}

#[test]
fn records_give_the_hooks_back() {
    let hooks = [script("one"), Hook { index: 1, env: None, timeout: Some(3), ..script("two") }];
    let records = to_records(&hooks);
    assert_eq!(from_records(HookKind::Prestart, &records).unwrap(), hooks);
    let broken = HookRecord { args: vec!["\0".to_owned()], ..HookRecord::default() };
    assert!(from_records(HookKind::Poststop, &[broken]).is_err());
}
