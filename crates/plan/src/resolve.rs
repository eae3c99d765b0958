//! The plan of a bundle: checks, then every decision, then the order of init's steps. Parent side, pure.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use libc::{MS_PRIVATE, MS_REC, MS_SHARED, MS_SLAVE, MS_UNBINDABLE};
use oci_spec::runtime::{LinuxNamespaceType, LinuxPersonality, LinuxSeccomp, Process, Spec};

use crate::mounts::{self, Mounts};
use crate::{Bundle, Error, ExecBase, Hooks, HostFacts, InitOp, Options, Plan};
use crate::{checks, devices, hooks, namespaces, process, resources, sysctl, unsupported, wasm};

/// Decides everything about the container of `bundle` on the host of `facts`.
///
/// # Errors
///
/// [`Error::Invalid`] for what the specification forbids, [`Error::Unsupported`] for what this version cannot do. Each
/// names its field.
pub fn resolve(bundle: &Bundle, facts: &HostFacts, options: &Options) -> Result<Plan, Error> {
    checks::run(bundle)?;
    unsupported::check(&bundle.spec)?;
    let spec = &bundle.spec;
    let asked = spec.process().as_ref().ok_or_else(|| Error::invalid("process", "is missing"))?;
    let (handler, wasm) = wasm::resolve(spec, options)?;
    let cgroup = resources::cgroup(spec, facts, options)?;
    let mounts = mounts::resolve(bundle, facts, &cgroup.layout)?;
    let mut warnings = bundle.warnings.clone();
    warnings.extend_from_slice(&mounts.warnings);
    warnings.extend(ignored(spec));
    let namespaces = namespaces::resolve(spec)?;
    let hooks = hooks::hooks(spec)?;
    let linux = process::Linux {
        seccomp: spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref()),
        personality: spec.linux().as_ref().and_then(|linux| linux.personality().as_ref()),
        user_namespace: namespaces.own() & libc::CLONE_NEWUSER as u64 != 0,
    };
    Ok(Plan {
        oci_version: spec.version().clone(),
        bundle: bundle.path.clone(),
        rootfs: bundle.rootfs.clone(),
        annotations: spec.annotations().clone().into_iter().flatten().collect(),
        process: process::resolve(asked, &linux, facts, &mut warnings)?,
        init_ops: init_ops(bundle, options, mounts, &hooks)?,
        namespaces,
        hooks,
        exec_base: ExecBase::of(spec, wasm.as_ref()),
        cgroup,
        handler,
        wasm,
        warnings,
    })
}

/// Decides about a further process of a container: `process` is complete, defaults included, and `seccomp` is the container's.
/// `user_namespace`: the container has one. The second value is for the log.
///
/// # Errors
/// As [`resolve`], for the fields of `process`.
pub(crate) fn resolve_exec(
    process: &Process,
    seccomp: Option<&LinuxSeccomp>,
    personality: Option<&LinuxPersonality>,
    user_namespace: bool,
    facts: &HostFacts,
) -> Result<(crate::Process, Vec<String>), Error> {
    checks::process(process)?;
    unsupported::process(process)?;
    let mut warnings = Vec::new();
    let linux = process::Linux { seccomp, personality, user_namespace };
    let process = process::resolve(process, &linux, facts, &mut warnings)?;
    Ok((process, warnings))
}

/// Fields that are understood, have no effect with any runtime, and deserve a word in the log.
fn ignored(spec: &Spec) -> Option<String> {
    let flags = spec.linux().as_ref()?.personality().as_ref()?.flags().as_ref()?;
    (!flags.is_empty()).then(|| "linux.personality.flags: ignored, no flag is defined".to_owned())
}

/// The order matters: links and mount points need what they lie on writable, masks are made while the host's `/dev/null`
/// is still in reach, so that the image has no say (CVE-2025-31133), and the root is entered last.
fn init_ops(bundle: &Bundle, options: &Options, mounts: Mounts, hooks: &Hooks) -> Result<Vec<InitOp>, Error> {
    let spec = &bundle.spec;
    let root = root_propagation(spec)?;
    if options.no_pivot && root.is_private {
        return Err(Error::invalid("linux.rootfsPropagation", "private is not safe without pivot_root"));
    }
    let mut ops = Vec::new();
    ops.extend(namespaces::is_new(spec, LinuxNamespaceType::Network).then_some(InitOp::LoopbackUp));
    ops.push(InitOp::Propagation(root.first));
    ops.push(InitOp::AttachRoot { path: bundle.rootfs.clone(), private_parent: root.is_shared });
    ops.extend(mounts.ops);
    ops.extend(devices::resolve(spec)?);
    ops.extend(working_directory(spec));
    let due = [&hooks.prestart, &hooks.create_runtime, &hooks.create_container];
    ops.extend(due.iter().any(|hooks| !hooks.is_empty()).then_some(InitOp::Hooks));
    let terminal = spec.process().as_ref().is_some_and(|process| process.terminal() == Some(true));
    ops.extend(terminal.then_some(InitOp::Console));
    ops.extend(mounts.readonly_later);
    ops.extend(restricted(spec));
    let readonly = spec.root().as_ref().is_some_and(|root| root.readonly() == Some(true));
    ops.extend(readonly.then_some(InitOp::ReadonlyRoot));
    ops.push(InitOp::EnterRoot { no_pivot: options.no_pivot, propagation: root.last });
    ops.extend(sysctl::resolve(spec)?);
    ops.extend(c_name("hostname", spec.hostname())?.map(InitOp::Hostname));
    ops.extend(c_name("domainname", spec.domainname())?.map(InitOp::Domainname));
    Ok(ops)
}

/// Before anything turns read-only, since it may have to be made. The root is there already.
fn working_directory(spec: &Spec) -> Option<InitOp> {
    let cwd = mounts::destination(spec.process().as_ref()?.cwd());
    (cwd != Path::new("/")).then_some(InitOp::WorkingDirectory(cwd))
}

fn restricted(spec: &Spec) -> Vec<InitOp> {
    let Some(linux) = spec.linux() else { return Vec::new() };
    let readonly = linux.readonly_paths().iter().flatten().map(|path| InitOp::ReadonlyPath(PathBuf::from(path)));
    let masked = linux.masked_paths().iter().flatten().map(|path| InitOp::MaskPath(PathBuf::from(path)));
    readonly.chain(masked).collect()
}

fn c_name(field: &str, name: &Option<String>) -> Result<Option<CString>, Error> {
    let name = name.as_deref().filter(|name| !name.is_empty()).map(CString::new).transpose();
    name.map_err(|_| Error::invalid(field, "contains a null byte"))
}

/// What `linux.rootfsPropagation` comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RootPropagation {
    /// For every mount of the new namespace, before anything is mounted.
    first: u64,
    /// For the root, once it is one.
    last: Option<u64>,
    is_shared: bool,
    is_private: bool,
}

/// The propagation of the root filesystem, by default slave.
///
/// Slave and private always go for the whole tree: the host's other mounts are of no use here, and what stayed shared
/// would carry mounts of the container back. An unbindable tree could not be attached, so that one starts as slave.
pub(crate) fn root_propagation(spec: &Spec) -> Result<RootPropagation, Error> {
    let value = spec.linux().as_ref().and_then(|linux| linux.rootfs_propagation().as_deref()).unwrap_or_default();
    let (first, last) = match value {
        "" | "slave" | "rslave" => (MS_SLAVE | MS_REC, None),
        "private" | "rprivate" => (MS_PRIVATE | MS_REC, None),
        "shared" => (MS_SHARED, Some(MS_SHARED)),
        "rshared" => (MS_SHARED | MS_REC, Some(MS_SHARED | MS_REC)),
        "unbindable" => (MS_SLAVE | MS_REC, Some(MS_UNBINDABLE)),
        "runbindable" => (MS_SLAVE | MS_REC, Some(MS_UNBINDABLE | MS_REC)),
        other => return Err(Error::invalid("linux.rootfsPropagation", format!("`{other}` is not known"))),
    };
    Ok(RootPropagation { first, last, is_shared: first & MS_SHARED != 0, is_private: first & MS_PRIVATE != 0 })
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
