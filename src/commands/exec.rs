//! `skiff exec`: a further process of a running container, from a file or from flags over the container's own process.

use crate::{Context, listen, settings, wasm};
use anyhow::{Context as _, bail};
use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities, Process};
use skiff_launch::ExecRequest;
use skiff_plan::{ExecBase, Needs, Settings};
use std::path::{Path, PathBuf};

/// Exit code when the process cannot be started, as runc's.
pub(crate) const FAILED: u8 = 255;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The process as JSON; the flags that describe one are ignored then
    #[arg(short, long, value_name = "FILE")]
    process: Option<PathBuf>,
    /// Return when the process runs
    #[arg(short, long)]
    detach: bool,
    /// File that gets the pid of the process
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// Unix socket that gets the terminal, when there is one
    #[arg(long, value_name = "SOCKET")]
    console_socket: Option<PathBuf>,
    /// Unix socket that gets a descriptor of the process
    #[arg(long, value_name = "SOCKET")]
    pidfd_socket: Option<PathBuf>,
    /// Hand on this many descriptors from 3 on
    #[arg(long, default_value_t = 0, value_name = "N")]
    preserve_fds: u32,
    /// Cgroup below the container's: PATH, or CONTROLLERS:PATH on version 1; can be repeated
    #[arg(long, value_name = "PATH")]
    cgroup: Vec<String>,
    /// Even if the container is paused
    #[arg(long)]
    ignore_paused: bool,
    /// Accepted for compatibility
    #[arg(long)]
    no_subreaper: bool,
    #[command(flatten)]
    flags: Flags,
    /// The container's id
    id: String,
    /// The command and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// What changes the container's own process into the one to execute.
#[derive(Debug, clap::Args)]
struct Flags {
    /// Give it a terminal
    #[arg(short, long)]
    tty: bool,
    /// Working directory in the container
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// A variable more; can be repeated
    #[arg(short, long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Numbers only
    #[arg(short, long, value_name = "UID[:GID]")]
    user: Option<String>,
    /// Supplementary group more; can be repeated
    #[arg(short = 'g', long, value_name = "GID")]
    additional_gids: Vec<u32>,
    /// Capability more; can be repeated
    #[arg(short, long, value_name = "CAP")]
    cap: Vec<String>,
    /// Set no_new_privs
    #[arg(long)]
    no_new_privs: bool,
    /// Not supported yet
    #[arg(long, value_name = "LABEL")]
    process_label: Option<String>,
    /// Not supported yet
    #[arg(long, value_name = "PROFILE")]
    apparmor: Option<String>,
}

/// The exit code is the process' own in the foreground, 0 when detached, and 255 when it could not be started.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<u8> {
    let dir = context.store()?.open(&args.id)?;
    let record = dir.load()?;
    let base = ExecBase::read(&record.exec)?;
    let settings = match base.wasm {
        Some(_) => wasm::hand_over(context).and_then(|()| settings::load())?,
        None => Settings::default(),
    };
    let engine = context.wasm.zip(base.wasm.as_ref()).map(|(wasm, asked)| wasm.engine(asked, &settings, context.args));
    let process = match &args.process {
        Some(file) => read(file)?,
        None => args.flags.over(&base.process, &args.command)?,
    };
    let facts = skiff_launch::host_facts(Needs { seccomp: base.seccomp.is_some(), ..Needs::default() })?;
    let user_namespace = record.namespaces & libc::CLONE_NEWUSER as u64 != 0;
    let (mut process, warnings) = base.resolve(&process, user_namespace, &facts)?;
    let pid_file = args.pid_file.as_ref().map(std::path::absolute).transpose().context("--pid-file is empty")?;
    let code = skiff_launch::exec(&ExecRequest {
        dir: &dir,
        preserve_fds: args.preserve_fds + listen::hand_on(&mut process),
        inherited_fds: context.inherited_fds,
        args: context.args,
        engine: engine.as_deref(),
        handler: base.handler(),
        process: &process,
        facts: &facts,
        pid_file: pid_file.as_deref(),
        console_socket: args.console_socket.as_deref(),
        pidfd_socket: args.pidfd_socket.as_deref(),
        cgroups: &args.cgroup,
        ignore_paused: args.ignore_paused,
        no_new_keyring: false,
        detach: args.detach,
    })?;
    warnings.iter().for_each(|warning| context.log.warning(warning));
    Ok(code)
}

fn read(file: &Path) -> anyhow::Result<Process> {
    let text = std::fs::read(file).with_context(|| format!("read --process {}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("parse --process {}", file.display()))
}

impl Flags {
    fn over(&self, base: &Process, command: &[String]) -> anyhow::Result<Process> {
        if command.is_empty() {
            bail!("exec needs a command, or --process");
        }
        let mut process = base.clone();
        process.set_args(Some(command.to_vec())).set_terminal(Some(self.tty)).set_console_size(None);
        if let Some(cwd) = &self.cwd {
            process.set_cwd(cwd.clone());
        }
        process.set_env(Some(base.env().iter().flatten().chain(&self.env).cloned().collect()));
        self.set_user(&mut process)?;
        if !self.cap.is_empty() {
            let caps = with(base.capabilities().clone().unwrap_or_else(no_capabilities), &parse(&self.cap)?);
            process.set_capabilities(Some(caps));
        }
        if self.no_new_privs {
            process.set_no_new_privileges(Some(true));
        }
        if self.process_label.is_some() {
            process.set_selinux_label(self.process_label.clone());
        }
        if self.apparmor.is_some() {
            process.set_apparmor_profile(self.apparmor.clone());
        }
        Ok(process)
    }

    fn set_user(&self, process: &mut Process) -> anyhow::Result<()> {
        let mut user = process.user().clone();
        if let Some(asked) = &self.user {
            let (uid, gid) = ids(asked)?;
            user.set_uid(uid);
            if let Some(gid) = gid {
                user.set_gid(gid);
            }
        }
        let groups = user.additional_gids().iter().flatten().chain(&self.additional_gids).copied().collect();
        user.set_additional_gids(Some(groups));
        process.set_user(user);
        Ok(())
    }
}

/// Digits and nothing else, each a number that an id can be (CVE-2026-30892: `1` became `0:0` elsewhere).
fn ids(text: &str) -> anyhow::Result<(u32, Option<u32>)> {
    let id = |digits: &str| match digits.parse::<u32>() {
        Ok(id) if id != u32::MAX && digits.bytes().all(|byte| byte.is_ascii_digit()) => Ok(id),
        _ => bail!("--user {text}: not UID or UID:GID in numbers"),
    };
    match text.split_once(':') {
        Some((uid, gid)) => Ok((id(uid)?, Some(id(gid)?))),
        None => Ok((id(text)?, None)),
    }
}

fn parse(names: &[String]) -> anyhow::Result<Vec<Capability>> {
    let capability = |name: &String| {
        let bare = name.to_uppercase();
        let bare = bare.strip_prefix("CAP_").unwrap_or(&bare);
        serde_json::from_value(serde_json::Value::from(bare)).with_context(|| format!("--cap {name}: unknown capability"))
    };
    names.iter().map(capability).collect()
}

fn no_capabilities() -> LinuxCapabilities {
    let mut none = LinuxCapabilities::default();
    none.set_bounding(None).set_effective(None).set_permitted(None).set_inheritable(None).set_ambient(None);
    none
}

/// Never inheritable: a program without file capabilities would keep them (CVE-2022-29162, CVE-2022-27650). Ambient only
/// where the container's process has inheritable ones, since nothing else can be ambient.
fn with(mut caps: LinuxCapabilities, more: &[Capability]) -> LinuxCapabilities {
    let join = |set: &Option<Capabilities>| Some(set.iter().flatten().chain(more).copied().collect::<Capabilities>());
    let (bounding, effective, permitted) = (join(caps.bounding()), join(caps.effective()), join(caps.permitted()));
    caps.set_bounding(bounding).set_effective(effective).set_permitted(permitted);
    if caps.inheritable().as_ref().is_some_and(|set| !set.is_empty()) {
        let ambient = join(caps.ambient());
        caps.set_ambient(ambient);
    }
    caps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_strict() {
        assert_eq!(ids("1").unwrap(), (1, None));
        assert_eq!(ids("1:2").unwrap(), (1, Some(2)));
        assert_eq!(ids("0:0").unwrap(), (0, Some(0)));
        for text in ["", ":", "1:", ":1", "1x", "+1", "-1", "1:2:3", "4294967295", "99999999999", "root", " 1"] {
            assert!(ids(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn more_capabilities_are_never_inheritable() {
        let more = parse(&["cap_kill".into(), "SYS_PTRACE".into()]).unwrap();
        let caps = with(no_capabilities(), &more);
        assert_eq!(caps.effective().as_ref().map(|set| set.len()), Some(2));
        assert_eq!(caps.inheritable(), &None);
        assert_eq!(caps.ambient(), &None);
        assert!(parse(&["CAP_NOPE".into()]).is_err());
    }
}
