//! Is config.json valid? A list of small checks; the first that fails is the answer. Parent side.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use oci_spec::runtime::{LinuxNamespaceType, Process, Spec};

use crate::{Bundle, Error, mounts, namespaces, process, sysctl};

type Check = fn(&Spec) -> Result<(), Error>;

/// In the order of the specification, so that the first error is the first in the file for most files.
const CHECKS: &[Check] = &[
    oci_version,
    process_there,
    user,
    args,
    env,
    cwd,
    rlimits,
    oom_score_adj,
    root_there,
    namespace_paths,
    id_maps,
    time_offsets,
    hostname,
    domainname,
    mount_destinations,
    mount_strings,
    mounts_inside_proc,
    annotations,
    unique_namespaces,
    mount_namespace,
    sysctl::check,
    masked_paths,
    readonly_paths,
    rootfs_propagation,
];

/// Runs every check on `bundle`.
pub(crate) fn run(bundle: &Bundle) -> Result<(), Error> {
    CHECKS.iter().try_for_each(|check| check(&bundle.spec))?;
    if bundle.rootfs == Path::new("/") { Err(Error::invalid("root.path", "is the root of the host")) } else { Ok(()) }
}

/// The checks that a process alone must pass.
const OF_PROCESS: &[Check] = &[user, args, env, cwd, rlimits, oom_score_adj];

/// Is this a valid process? For exec.
pub(crate) fn process(process: &Process) -> Result<(), Error> {
    let mut spec = Spec::default();
    spec.set_process(Some(process.clone()));
    OF_PROCESS.iter().try_for_each(|check| check(&spec))
}

fn ensure(valid: bool, field: impl Into<String>, why: impl Into<String>) -> Result<(), Error> {
    if valid { Ok(()) } else { Err(Error::invalid(field, why)) }
}

fn oci_version(spec: &Spec) -> Result<(), Error> {
    let version = spec.version();
    ensure(!version.is_empty(), "ociVersion", "is missing")?;
    ensure(is_semver(version), "ociVersion", format!("`{version}` is no semantic version (major.minor.patch)"))?;
    ensure(version.starts_with("1."), "ociVersion", format!("`{version}` is not supported, only 1.x is"))
}

/// Three numbers, then perhaps `-dev` or `+build`.
fn is_semver(version: &str) -> bool {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    core.split('.').count() == 3 && core.split('.').all(number) && !version.ends_with(['-', '+'])
}

fn process_there(spec: &Spec) -> Result<(), Error> {
    ensure(spec.process().is_some(), "process", "is missing")
}

fn root_there(spec: &Spec) -> Result<(), Error> {
    ensure(spec.root().is_some(), "root", "is missing")
}

fn with_process(spec: &Spec, check: impl Fn(&Process) -> Result<(), Error>) -> Result<(), Error> {
    spec.process().as_ref().map_or(Ok(()), check)
}

/// 4294967295 is -1 to setresuid(2), "leave it": the process would stay root.
fn user(spec: &Spec) -> Result<(), Error> {
    with_process(spec, |process| {
        let user = process.user();
        let groups = user.additional_gids().iter().flatten().map(|gid| ("additionalGids", *gid));
        let mut ids = [("uid", user.uid()), ("gid", user.gid())].into_iter().chain(groups);
        ids.try_for_each(|(name, id)| ensure(id != u32::MAX, format!("process.user.{name}"), format!("{id} is no valid id")))
    })
}

fn args(spec: &Spec) -> Result<(), Error> {
    with_process(spec, |process| ensure(process.args().iter().flatten().next().is_some(), "process.args", "is empty"))
}

fn env(spec: &Spec) -> Result<(), Error> {
    with_process(spec, |process| {
        let entries = process.env().iter().flatten().enumerate();
        entries.into_iter().try_for_each(|(index, entry)| {
            let field = format!("process.env[{index}]");
            ensure(entry.contains('='), &field, format!("`{entry}` has no `=`"))?;
            ensure(!entry.starts_with('='), &field, format!("`{entry}` has no name"))
        })
    })
}

fn cwd(spec: &Spec) -> Result<(), Error> {
    with_process(spec, |process| {
        let text = process.cwd().display();
        ensure(process::valid_cwd(process), "process.cwd", format!("`{text}` is not an absolute path"))
    })
}

fn rlimits(spec: &Spec) -> Result<(), Error> {
    with_process(spec, |process| {
        let limits = process.rlimits().as_deref().unwrap_or_default();
        limits.iter().enumerate().try_for_each(|(index, limit)| {
            let (name, soft, hard) = (limit.typ(), limit.soft(), limit.hard());
            let twice = limits[..index].iter().any(|other| other.typ() == name);
            ensure(!twice, format!("process.rlimits[{index}].type"), format!("{name} is there twice"))?;
            ensure(soft <= hard, format!("process.rlimits[{index}].soft"), format!("{soft} is above the hard limit {hard}"))
        })
    })
}

fn oom_score_adj(spec: &Spec) -> Result<(), Error> {
    with_process(spec, |process| {
        let value = process.oom_score_adj().unwrap_or(0);
        ensure((-1000..=1000).contains(&value), "process.oomScoreAdj", format!("{value} is not between -1000 and 1000"))
    })
}

fn hostname(spec: &Spec) -> Result<(), Error> {
    uts_name(spec, "hostname", spec.hostname().as_deref())
}

fn domainname(spec: &Spec) -> Result<(), Error> {
    uts_name(spec, "domainname", spec.domainname().as_deref())
}

fn uts_name(spec: &Spec, field: &str, name: Option<&str>) -> Result<(), Error> {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(()) };
    ensure(!name.contains('\0'), field, "contains a null byte")?;
    // __NEW_UTS_LEN of the kernel
    ensure(name.len() <= 64, field, format!("`{name}` is longer than 64 bytes"))?;
    ensure(namespaces::has(spec, LinuxNamespaceType::Uts), field, "needs a uts namespace of the container's own")
}

fn each_mount(spec: &Spec, check: impl Fn(String, &oci_spec::runtime::Mount) -> Result<(), Error>) -> Result<(), Error> {
    let entries = mounts::entries(spec).iter().enumerate();
    entries.into_iter().try_for_each(|(index, mount)| check(format!("mounts[{index}]"), mount))
}

fn mount_destinations(spec: &Spec) -> Result<(), Error> {
    each_mount(spec, |field, mount| {
        ensure(!mount.destination().as_os_str().is_empty(), format!("{field}.destination"), "is missing")
    })
}

fn mount_strings(spec: &Spec) -> Result<(), Error> {
    let plain = |path: &Path| !path.as_os_str().as_bytes().contains(&0);
    each_mount(spec, |field, mount| {
        ensure(plain(mount.destination()), format!("{field}.destination"), "contains a null byte")?;
        ensure(mount.source().as_deref().is_none_or(plain), format!("{field}.source"), "contains a null byte")?;
        let options = !mount.options().iter().flatten().any(|option| option.contains('\0'));
        ensure(options, format!("{field}.options"), "contains a null byte")
    })
}

/// What lxcfs and its like put over files of procfs: the only mounts that runc lets into `/proc`.
const INSIDE_PROC: [&str; 11] = [
    "cpuinfo",
    "diskstats",
    "meminfo",
    "stat",
    "swaps",
    "uptime",
    "loadavg",
    "slabinfo",
    "net/dev",
    "sys/kernel/ns_last_pid",
    "sys/crypto/fips_enabled",
];

/// A volume over parts of `/proc` would decide what the runtime itself and masked paths meet there (CVE-2019-16884).
fn mounts_inside_proc(spec: &Spec) -> Result<(), Error> {
    each_mount(spec, |field, mount| {
        let destination = mounts::destination(mount.destination());
        let Ok(inside) = destination.strip_prefix("/proc") else { return Ok(()) };
        let proc = mounts::is_bind(mount) || mount.typ().as_deref() == Some("proc") || remounts(mount);
        let valid = match inside.to_str() {
            Some("") => proc,
            Some(name) => INSIDE_PROC.contains(&name) || mount.typ().as_deref() == Some("proc") || remounts(mount),
            None => false,
        };
        let text = destination.display();
        ensure(valid, format!("{field}.destination"), format!("`{text}` is inside /proc, where only a proc filesystem belongs"))
    })
}

fn remounts(mount: &oci_spec::runtime::Mount) -> bool {
    mount.options().iter().flatten().any(|option| option == "remount")
}

fn annotations(spec: &Spec) -> Result<(), Error> {
    let empty = spec.annotations().iter().flatten().any(|(key, _)| key.is_empty());
    ensure(!empty, "annotations", "a key is empty")
}

fn unique_namespaces(spec: &Spec) -> Result<(), Error> {
    let all = namespaces::listed(spec);
    all.iter().enumerate().try_for_each(|(index, namespace)| {
        let twice = all[..index].iter().any(|other| other.typ() == namespace.typ());
        let kind = namespaces::name(namespace.typ());
        ensure(!twice, format!("linux.namespaces[{index}].type"), format!("{kind} is there twice"))
    })
}

/// Without one every mount would be made on the host.
fn mount_namespace(spec: &Spec) -> Result<(), Error> {
    ensure(namespaces::has(spec, LinuxNamespaceType::Mount), "linux.namespaces", "a mount namespace is required")
}

fn namespace_paths(spec: &Spec) -> Result<(), Error> {
    namespaces::listed(spec).iter().enumerate().try_for_each(|(index, namespace)| {
        let Some(path) = namespaces::joined(namespace) else { return Ok(()) };
        let plain = path.is_absolute() && !path.as_os_str().as_bytes().contains(&0);
        ensure(plain, format!("linux.namespaces[{index}].path"), format!("`{}` is not an absolute path", path.display()))
    })
}

/// A new user namespace without maps has no user that could set it up.
fn id_maps(spec: &Spec) -> Result<(), Error> {
    let Some(linux) = spec.linux() else { return Ok(()) };
    let new = namespaces::is_new(spec, LinuxNamespaceType::User);
    for (field, entries) in [("linux.uidMappings", linux.uid_mappings()), ("linux.gidMappings", linux.gid_mappings())] {
        let entries = entries.as_deref().unwrap_or_default();
        ensure(!new || !entries.is_empty(), field, "is empty, though there is a new user namespace")?;
        let has_user = namespaces::has(spec, LinuxNamespaceType::User);
        ensure(has_user || entries.is_empty(), field, "needs a user namespace")?;
        for (index, entry) in entries.iter().enumerate() {
            let fits = |first: u32| entry.size() > 0 && first.checked_add(entry.size() - 1).is_some_and(|last| last < u32::MAX);
            ensure(entry.size() > 0, format!("{field}[{index}].size"), "is 0")?;
            ensure(fits(entry.container_id()), format!("{field}[{index}].containerID"), "the range ends above the largest id")?;
            ensure(fits(entry.host_id()), format!("{field}[{index}].hostID"), "the range ends above the largest id")?;
        }
    }
    Ok(())
}

fn time_offsets(spec: &Spec) -> Result<(), Error> {
    let offsets = spec.linux().as_ref().and_then(|linux| linux.time_offsets().as_ref());
    for (clock, _) in offsets.into_iter().flatten() {
        let known = ["monotonic", "boottime"].contains(&clock.as_str());
        ensure(
            known,
            "linux.timeOffsets",
            format!("`{clock}` is no clock of a time namespace: only monotonic and boottime are"),
        )?;
        let new = namespaces::is_new(spec, LinuxNamespaceType::Time);
        ensure(new, "linux.timeOffsets", "needs a new time namespace")?;
    }
    Ok(())
}

fn masked_paths(spec: &Spec) -> Result<(), Error> {
    absolute("linux.maskedPaths", spec.linux().as_ref().and_then(|linux| linux.masked_paths().as_deref()))
}

fn readonly_paths(spec: &Spec) -> Result<(), Error> {
    absolute("linux.readonlyPaths", spec.linux().as_ref().and_then(|linux| linux.readonly_paths().as_deref()))
}

fn absolute(field: &str, paths: Option<&[String]>) -> Result<(), Error> {
    paths.unwrap_or_default().iter().enumerate().try_for_each(|(index, path)| {
        let valid = path.starts_with('/') && !path.contains('\0');
        ensure(valid, format!("{field}[{index}]"), format!("`{path}` is not an absolute path"))
    })
}

fn rootfs_propagation(spec: &Spec) -> Result<(), Error> {
    crate::resolve::root_propagation(spec).map(drop)
}

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;
