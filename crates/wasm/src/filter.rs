//! What the filters of our own processes share: a list of calls that are allowed, some under a condition, and one errno for the
//! rest. It is said as `linux.seccomp` says it, and compiled as a container's profile is.

use landlock::ABI;
use serde_json::{Value, json};
use skiff_sys::seccomp::SockFilter;

/// The rights of Landlock that skiff knows of; a kernel with fewer gives those that it has.
pub(crate) const RIGHTS: ABI = ABI::V6;

/// A program, and the flags to load it with.
pub(crate) type Filter = (Vec<SockFilter>, u32);

/// Allows the calls, if the argument is `value`.
pub(crate) fn equal(names: &[&str], argument: u32, value: u64) -> Value {
    when(names, json!({"index": argument, "op": "SCMP_CMP_EQ", "value": value}))
}

/// Allows the calls, if the bits of `mask` in the argument are `value`.
pub(crate) fn masked(names: &[&str], argument: u32, mask: u64, value: u64) -> Value {
    when(names, json!({"index": argument, "op": "SCMP_CMP_MASKED_EQ", "value": mask, "valueTwo": value}))
}

fn when(names: &[&str], condition: Value) -> Value {
    json!({"names": names, "action": "SCMP_ACT_ALLOW", "args": [condition]})
}

/// Compiles the filter. Memory may be mapped, but not to execute: new code is nobody's, and abort(3) reaches the caller only.
///
/// # Errors
/// The lists are wrong, which their tests would show.
pub(crate) fn compile(names: &[&str], conditions: Vec<Value>, errno: i32) -> Result<Filter, String> {
    let mut calls = vec![
        json!({"names": names, "action": "SCMP_ACT_ALLOW"}),
        masked(&["mmap", "mprotect"], 2, libc::PROT_EXEC as u64, 0),
        equal(&["tgkill"], 0, u64::from(std::process::id())),
    ];
    calls.extend(conditions);
    let profile = json!({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": errno, "syscalls": calls});
    let profile = serde_json::from_value(profile).map_err(|error| error.to_string())?;
    let seccomp = skiff_plan::seccomp(&profile, skiff_sys::seccomp::flags()).map_err(|error| error.to_string())?;
    Ok((seccomp.compile().map_err(|error| error.to_string())?, seccomp.flags))
}
