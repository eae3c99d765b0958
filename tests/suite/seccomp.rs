//! seccomp filters as programs meet them. Which call gets which verdict is compared with libseccomp elsewhere.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::common::{Test, copy_program, is_skiff, refused};

/// `call NUMBER ARGS...`: makes the call and prints its error number, 0 for none.
const CALL: &str = r#"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int argc, char **argv) {
    unsigned long a[7] = {0};
    for (int i = 1; i < argc && i < 8; i++) a[i - 1] = strtoul(argv[i], 0, 0);
    long r = syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
    printf("%d\n", r == -1 ? errno : 0);
    return 0;
}
"#;

/// The same without a C library, as a 32-bit program: prints some words, makes one call and exits with its error number.
const CALL32: &str = r#"
    .globl _start
_start:
    mov $4, %eax
    mov $1, %ebx
    mov $word, %ecx
    mov $12, %edx
    int $0x80
    mov $CALL, %eax
    xor %ebx, %ebx
    xor %ecx, %ecx
    xor %edx, %edx
    xor %esi, %esi
    xor %edi, %edi
    int $0x80
    neg %eax
    mov %eax, %ebx
    mov $1, %eax
    int $0x80
    .data
word:
    .ascii "from 32 bits"
"#;

/// The program that `source` is; `None` where there is no compiler.
fn compiled(t: &Test, source: &str, extension: &str, flags: &[&str]) -> Option<Vec<u8>> {
    let (input, output) = (t.dir().join("source").with_extension(extension), t.dir().join("binary"));
    fs::write(&input, source).unwrap();
    let out = Command::new("gcc").args(flags).arg("-o").arg(&output).arg(&input).output().ok()?;
    assert!(out.status.success(), "gcc: {}", String::from_utf8_lossy(&out.stderr));
    fs::read(&output).ok()
}

/// Puts `call` into the root filesystem; false where it cannot be had. Compiled once for all tests.
fn install(t: &Test) -> bool {
    static BINARY: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    put(t, "call", BINARY.get_or_init(|| compiled(t, CALL, "c", &["-static", "-O1"])).as_deref())
}

/// The 32-bit program that makes call `number`.
fn install32(t: &Test, name: &str, number: u32) -> bool {
    let source = CALL32.replace("CALL", &number.to_string());
    put(t, name, compiled(t, &source, "s", &["-m32", "-static", "-nostdlib"]).as_deref())
}

fn put(t: &Test, name: &str, binary: Option<&[u8]>) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let Some(binary) = binary else { return false };
    let path = t.rootfs().join("bin").join(name);
    fs::write(&path, binary).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    true
}

macro_rules! need_compiler {
    ($t:expr) => {
        if !install($t) {
            skip!($t, "no gcc");
        }
    };
}

/// Numbers on x86_64.
const SYSINFO: &str = "99";
const SOCKET: &str = "41";
const NEWER_THAN_ALL: &str = "1023";

/// Allows everything but what `rules` say.
fn profile(t: &mut Test, rules: Value) {
    t.spec["linux"]["seccomp"] =
        json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": rules});
}

#[track_caller]
fn call(t: &mut Test, args: &[&str]) -> String {
    t.args(&[&["/bin/call"], args].concat());
    t.run().ok().trim().to_string()
}

both!(no_filter_and_a_filter, |t: &mut Test| {
    assert_eq!(t.run_sh("grep Seccomp: /proc/self/status"), "Seccomp:\t0\n");
    profile(t, json!([{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]));
    for no_new_privileges in [true, false] {
        t.spec["process"]["noNewPrivileges"] = json!(no_new_privileges);
        let seen = t.run_sh("grep -E 'Seccomp:|NoNewPrivs' /proc/self/status");
        assert!(
            seen.contains("Seccomp:\t2\n") && seen.contains(&format!("NoNewPrivs:\t{}", u8::from(no_new_privileges))),
            "{seen}"
        );
    }
});

both!(an_error_number, |t: &mut Test| {
    need_compiler!(t);
    for (rule, seen) in [
        (json!({"names": ["sysinfo"], "action": "SCMP_ACT_ERRNO"}), "1"),
        (json!({"names": ["sysinfo"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99}), "99"),
        (json!({"names": ["sysinfo"], "action": "SCMP_ACT_ERRNO", "errnoRet": 0}), "0"),
        (json!({"names": ["mkdir", "sysinfo", "nobody_knows_this_call"], "action": "SCMP_ACT_ERRNO", "errnoRet": 4}), "4"),
        // Its arguments are wrong, and so it fails by itself.
        (json!({"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 4}), "14"),
        // No tracer, no such call.
        (json!({"names": ["sysinfo"], "action": "SCMP_ACT_TRACE", "errnoRet": 7}), "38"),
        (json!({"names": ["sysinfo"], "action": "SCMP_ACT_LOG"}), "14"),
    ] {
        profile(t, json!([rule]));
        assert_eq!(call(t, &[SYSINFO, "0"]), seen, "{rule}");
    }
});

both!(deadly_actions, |t: &mut Test| {
    need_compiler!(t);
    for action in ["SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP"] {
        profile(t, json!([{"names": ["sysinfo"], "action": action}]));
        // 128 + SIGSYS, of a process that is not process 1.
        t.sh(&format!("/bin/call {SYSINFO} 0; echo code $?"));
        let out = t.run();
        assert!(out.stdout.ends_with("code 159\n"), "{action}: {out:?}");
    }
    profile(t, json!([{"names": ["sysinfo"], "action": "SCMP_ACT_KILL_PROCESS"}]));
    t.args(&["/bin/call", SYSINFO, "0"]);
    t.run().exits(159);
    t.assert_nothing_left();
});

both!(arguments, |t: &mut Test| {
    need_compiler!(t);
    for (op, value, two, hit, miss) in [
        ("SCMP_CMP_EQ", 7_u64, 0_u64, &["7"][..], &["6", "8", "0x100000007"][..]),
        ("SCMP_CMP_NE", 7, 0, &["6", "0x100000007"], &["7"]),
        ("SCMP_CMP_LT", 7, 0, &["6", "0"], &["7", "8", "0x100000000"]),
        ("SCMP_CMP_LE", 7, 0, &["7", "0"], &["8", "0xffffffffffffffff"]),
        ("SCMP_CMP_GT", 7, 0, &["8", "0x100000000"], &["7", "0"]),
        ("SCMP_CMP_GE", 7, 0, &["7", "0x100000000"], &["6", "0"]),
        ("SCMP_CMP_MASKED_EQ", 0xff00, 0x1200, &["0x1200", "0x1234", "0xf0001234"], &["0x1300", "0x34"]),
    ] {
        profile(
            t,
            json!([{"names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 55,
                    "args": [{"index": 0, "value": value, "valueTwo": two, "op": op}]}]),
        );
        // socket(2) fails with errors of its own; the filter's is 55.
        t.spec["linux"]["seccomp"]["syscalls"][0]["names"] = json!(["socket"]);
        for argument in hit {
            assert_eq!(call(t, &[SOCKET, argument, "99", "0"]), "55", "{op} {argument}");
        }
        for argument in miss {
            assert_ne!(call(t, &[SOCKET, argument, "99", "0"]), "55", "{op} {argument}");
        }
    }
});

both!(several_arguments_and_several_rules, |t: &mut Test| {
    need_compiler!(t);
    let rule =
        |errno: u32, args: Value| json!({"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno, "args": args});
    let equal = |index: u32, value: u32| json!({"index": index, "value": value, "op": "SCMP_CMP_EQ"});
    profile(t, json!([rule(55, json!([equal(0, 40), equal(1, 99)])), rule(56, json!([equal(0, 41)]))]));
    assert_eq!(call(t, &[SOCKET, "40", "99"]), "55");
    assert_ne!(call(t, &[SOCKET, "40", "98"]), "55");
    assert_eq!(call(t, &[SOCKET, "41", "98"]), "56");
});

/// The default of container engines: everything else is forbidden. What busybox and the runtime's last calls need is allowed.
fn strict(t: &mut Test, default_errno: Option<u32>) {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/podman58-v2-run.json")).unwrap();
    let podman: Value = serde_json::from_str(&text).unwrap();
    t.spec["linux"]["seccomp"] = podman["linux"]["seccomp"].clone();
    let profile = t.spec["linux"]["seccomp"].as_object_mut().unwrap();
    match default_errno {
        Some(number) => profile.insert("defaultErrnoRet".into(), json!(number)),
        None => profile.remove("defaultErrnoRet"),
    };
}

both!(the_default_action_has_an_error_number, |t: &mut Test| {
    need_compiler!(t);
    for (number, seen) in [(Some(77), "77"), (None, "1")] {
        strict(t, number);
        let syscalls = t.spec["linux"]["seccomp"]["syscalls"].as_array_mut().unwrap();
        for rule in syscalls {
            rule["names"].as_array_mut().unwrap().retain(|name| name != "sysinfo");
        }
        assert_eq!(call(t, &[SYSINFO, "0"]), seen);
    }
});

both!(a_call_newer_than_the_profile, |t: &mut Test| {
    need_compiler!(t);
    strict(t, None);
    assert_eq!(call(t, &[NEWER_THAN_ALL]), "38");
    strict(t, Some(1));
    assert_eq!(call(t, &[NEWER_THAN_ALL]), "38");
});

both!(a_user_without_capabilities, |t: &mut Test| {
    need_compiler!(t);
    t.spec["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    t.capabilities(&[]);
    for no_new_privileges in [true, false] {
        t.spec["process"]["noNewPrivileges"] = json!(no_new_privileges);
        profile(t, json!([{"names": ["sysinfo"], "action": "SCMP_ACT_ERRNO", "errnoRet": 66}]));
        assert_eq!(call(t, &[SYSINFO, "0"]), "66");
        t.sh("id -u; grep -E 'CapEff|CapBnd|Seccomp:' /proc/self/status | tr '\\t' ' '");
        assert_eq!(t.run().ok(), "1000\nCapEff: 0000000000000000\nCapBnd: 0000000000000000\nSeccomp: 2\n");
        strict(t, Some(38));
        assert_eq!(t.run_sh("id -u"), "1000\n");
    }
});

both!(podmans_profile_runs_a_shell, |t: &mut Test| {
    strict(t, Some(38));
    assert_eq!(
        t.run_sh("seq 1 5 | grep -v 3 | wc -l; cat /proc/self/comm; (sleep 0.01 & wait); date > /dev/null && echo fine"),
        "4\ncat\nfine\n"
    );
    // The capability alone is not enough, and without the profile it is.
    t.capabilities(&["CAP_SYS_ADMIN"]);
    assert_eq!(t.run_sh("hostname another 2>/dev/null || hostname"), "runc\n");
    t.spec["linux"].as_object_mut().unwrap().remove("seccomp");
    assert_eq!(t.run_sh("hostname another && hostname"), "another\n");
});

both!(exec_has_the_filter_too, |t: &mut Test| {
    need_compiler!(t);
    profile(t, json!([{"names": ["sysinfo"], "action": "SCMP_ACT_ERRNO", "errnoRet": 66}]));
    for no_new_privileges in [true, false] {
        t.spec["process"]["noNewPrivileges"] = json!(no_new_privileges);
        t.running();
        for options in [&[][..], &["--user", "1000:1000"], &["--no-new-privs"], &["--cap", "CAP_SYS_ADMIN"]] {
            let out = t.call(&[&["exec"], options, &[&t.id, "/bin/call", SYSINFO, "0"]].concat());
            assert_eq!(out.ok(), "66\n", "{options:?}");
        }
        let process = t.dir().join("process.json");
        let content =
            json!({"args": ["/bin/call", SYSINFO, "0"], "cwd": "/", "user": {"uid": 0, "gid": 0}, "env": ["PATH=/bin"]});
        fs::write(&process, content.to_string()).unwrap();
        assert_eq!(t.call(&["exec", "-p", process.to_str().unwrap(), &t.id]).ok(), "66\n");
        t.call(&["delete", "--force", &t.id]).ok();
    }
});

both!(exec_under_podmans_profile, |t: &mut Test| {
    strict(t, Some(38));
    t.running();
    for options in [&[][..], &["--user", "1000:1000"], &["-t"]].into_iter().filter(|options| is_skiff() || **options != ["-t"]) {
        let out = t.call(&[&["exec"], options, &[&t.id, "/bin/sh", "-c", "echo fine"]].concat());
        assert_eq!(out.ok(), "fine\n", "{options:?}");
    }
});

both!(flags, |t: &mut Test| {
    skiff_only!(t, "runc since 1.2");
    need_compiler!(t);
    for flags in [
        json!([]),
        json!(["SECCOMP_FILTER_FLAG_LOG"]),
        json!(["SECCOMP_FILTER_FLAG_SPEC_ALLOW"]),
        json!(["SECCOMP_FILTER_FLAG_TSYNC"]),
    ] {
        profile(t, json!([{"names": ["sysinfo"], "action": "SCMP_ACT_ERRNO", "errnoRet": 66}]));
        t.spec["linux"]["seccomp"]["flags"] = flags.clone();
        assert_eq!(call(t, &[SYSINFO, "0"]), "66", "{flags}");
    }
});

both!(what_is_wrong_is_refused_by_name, |t: &mut Test| {
    skiff_only!(t, "wording");
    let mut wrong = |seccomp: Value, words: &[&str]| {
        t.spec["linux"]["seccomp"] = seccomp;
        refused(t, words);
    };
    wrong(json!({"defaultAction": "SCMP_ACT_NOSUCH"}), &["config.json", "seccomp", "SCMP_ACT_NOSUCH"]);
    wrong(json!({"defaultAction": "SCMP_ACT_NOTIFY"}), &["linux.seccomp", "NOTIFY"]);
    let rule = |rule: Value| json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]});
    wrong(rule(json!({"names": ["sysinfo"], "action": "SCMP_ACT_NOTIFY"})), &["linux.seccomp.syscalls[0]", "NOTIFY"]);
    wrong(
        rule(json!({"names": ["sysinfo"], "action": "SCMP_ACT_ERRNO", "errnoRet": 70000})),
        &["linux.seccomp.syscalls[0]", "70000"],
    );
    let argument = json!({"index": 6, "value": 1, "op": "SCMP_CMP_EQ"});
    wrong(
        rule(json!({"names": ["sysinfo"], "action": "SCMP_ACT_ERRNO", "args": [argument]})),
        &["linux.seccomp.syscalls[0].args[0]", "6"],
    );
    wrong(json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_NOSUCH"]}), &["seccomp", "SCMP_ARCH_NOSUCH"]);
    wrong(json!({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_NOSUCH"]}), &["seccomp", "NOSUCH"]);
    wrong(json!({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/listener"}), &["linux.seccomp.listenerPath"]);
});

/// On i386: swapoff, which podman's profile forbids, and getpid, which it allows.
const SWAPOFF32: u32 = 115;
const GETPID32: u32 = 20;

both!(a_32_bit_program_under_podmans_profile, |t: &mut Test| {
    if !(install32(t, "swapoff32", SWAPOFF32) && install32(t, "getpid32", GETPID32)) {
        skip!(t, "no gcc");
    }
    t.args(&["/bin/swapoff32"]);
    let free = t.run();
    if free.stdout != "from 32 bits" {
        skip!(t, "the kernel runs no 32-bit programs");
    }
    assert_eq!(free.code, 1, "without CAP_SYS_ADMIN the kernel forbids it, too: {free:?}");
    strict(t, Some(38));
    let out = t.run();
    assert_eq!((out.code, out.stdout.as_str()), (1, "from 32 bits"), "{out:?}");
    // A number that only the filter gives.
    for rule in t.spec["linux"]["seccomp"]["syscalls"].as_array_mut().unwrap() {
        if rule["action"] == "SCMP_ACT_ERRNO" {
            rule["errnoRet"] = json!(66);
        }
    }
    t.run().exits(66);
    t.args(&["/bin/getpid32"]);
    // -1 and not an error: the process is number 1.
    t.run().exits(255);
    // An architecture that the profile does not list is none of its callers.
    t.spec["linux"]["seccomp"]["architectures"] = json!(["SCMP_ARCH_X86_64"]);
    t.sh("/bin/getpid32; echo code $?");
    assert!(t.run().stdout.ends_with("code 159\n"));
});

both!(x32_numbers_do_not_get_round_the_filter, |t: &mut Test| {
    need_compiler!(t);
    profile(t, json!([{"names": ["sysinfo"], "action": "SCMP_ACT_ERRNO", "errnoRet": 66}]));
    let x32 = (0x4000_0000 + SYSINFO.parse::<u32>().unwrap()).to_string();
    t.sh(&format!("/bin/call {x32} 0; echo code $?"));
    // Not listed: killed. Listed: judged, like the native call.
    assert!(t.run().stdout.ends_with("code 159\n"));
    t.spec["linux"]["seccomp"]["architectures"] = json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X32"]);
    assert_eq!(call(t, &[&x32, "0"]), "66");
});

// Engines in engines.

host_only!(the_runtime_in_a_container_of_its_own, |t: &mut Test| {
    skiff_only!(t, "Debian's runc is dynamic");
    // A privileged container: everything of the host's kernel, with a root filesystem and a bundle of its own.
    let privileged = t.spec.clone();
    t.writable();
    let own = t.rootfs().join("inner");
    fs::create_dir_all(own.join("rootfs")).unwrap();
    let copied = Command::new("cp").arg("-a").arg(t.rootfs().join("bin")).arg(own.join("rootfs")).status().unwrap();
    assert!(copied.success());
    for dir in ["proc", "dev", "sys", "tmp"] {
        fs::create_dir_all(own.join("rootfs").join(dir)).unwrap();
    }
    let mut inner = privileged;
    inner["process"]["args"] = json!(["/bin/sh", "-c", "echo from the innermost; hostname; id -u"]);
    inner["hostname"] = json!("innermost");
    inner["linux"].as_object_mut().unwrap().remove("resources");
    inner["mounts"].as_array_mut().unwrap().retain(|mount| mount["destination"] != "/sys/fs/cgroup");
    fs::write(own.join("config.json"), inner.to_string()).unwrap();
    copy_with_libraries(&crate::common::binary(), &t.rootfs());
    t.capabilities(&PRIVILEGED);
    t.spec["process"]["noNewPrivileges"] = json!(false);
    t.spec["linux"].as_object_mut().unwrap().remove("maskedPaths");
    t.spec["linux"].as_object_mut().unwrap().remove("readonlyPaths");
    t.remount("/sys/fs/cgroup", "cgroup", "cgroup", &["rw"]);
    t.mount("/run", "tmpfs", "tmpfs", &["mode=755"]);
    t.args(&["/skiff", "run", "--bundle", "/inner", "inner"]);
    let out = t.run();
    assert_eq!((out.code, out.stdout.as_str()), (0, "from the innermost\ninnermost\n0\n"), "{out:?}");
    t.args(&["/skiff", "--cgroup-manager", "disabled", "run", "--bundle", "/inner", "inner"]);
    assert_eq!(t.run().exits(0).stdout.lines().count(), 3);
});

/// What an engine that starts containers needs, and the inner container is given.
const PRIVILEGED: [&str; 20] = [
    "CAP_SYS_ADMIN",
    "CAP_NET_ADMIN",
    "CAP_SYS_CHROOT",
    "CAP_MKNOD",
    "CAP_SETUID",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETFCAP",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SYS_PTRACE",
    "CAP_AUDIT_WRITE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_BPF",
    "CAP_PERFMON",
];

/// The program as `/skiff`, with what its dynamic linker needs.
fn copy_with_libraries(binary: &Path, root: &Path) {
    copy_program(binary, &root.join("skiff"));
    let out = Command::new("ldd").arg(binary).output().unwrap();
    for word in String::from_utf8_lossy(&out.stdout).split_whitespace().filter(|word| word.starts_with('/')) {
        let to = root.join(word.trim_start_matches('/'));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        copy_program(Path::new(word), &to);
    }
}
