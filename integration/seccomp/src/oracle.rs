//! libseccomp, driven as runc's libcontainer/seccomp drives it, and runc's test for new calls put before it.

use std::fs::File;
use std::io::{Read, Seek};

use libseccomp::{ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall};
use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompOperator, LinuxSyscall};
use skiff_sys::seccomp::SockFilter;

use crate::machine::{Asked, run};

pub const X86_64: u32 = 0xc000_003e;
pub const X86: u32 = 0x4000_0003;
pub const X32_BIT: u32 = 1 << 30;
const ENOSYS: u32 = 0x0005_0026;

/// A profile as libseccomp and runc judge it.
pub struct Oracle {
    pub program: Vec<SockFilter>,
    /// The highest number that the profile names, by architecture; nothing when the default lets calls through.
    newest: Vec<(ScmpArch, u32)>,
}

impl Oracle {
    /// `Err`: libseccomp refuses the profile.
    pub fn new(profile: &LinuxSeccomp) -> Result<Oracle, String> {
        Ok(Oracle { program: export(&filter(profile)?), newest: newest(profile) })
    }
    pub fn verdict(&self, asked: &Asked) -> u32 {
        too_new(&self.newest, asked).unwrap_or_else(|| run(&self.program, asked))
    }
}

/// The rules of the profile, added one by one; `Err`: libseccomp refuses one.
pub fn filter(profile: &LinuxSeccomp) -> Result<ScmpFilterContext, String> {
    let default = action(profile.default_action(), profile.default_errno_ret());
    let mut filter = ScmpFilterContext::new(default).map_err(|error| error.to_string())?;
    for arch in architectures(profile) {
        filter.add_arch(arch).unwrap();
    }
    let rules = profile.syscalls().as_deref().unwrap_or_default();
    if rules.iter().any(|rule| !rule.names().is_empty()) {
        filter.set_ctl_optimize(2).unwrap();
    }
    for rule in rules {
        for name in rule.names() {
            add(&mut filter, rule, name, default).map_err(|error| format!("{name}: {error}"))?;
        }
    }
    Ok(filter)
}

/// runc's verdict on a call that is newer than what the profile names.
pub(crate) fn too_new(newest: &[(ScmpArch, u32)], asked: &Asked) -> Option<u32> {
    let abi = match asked.arch {
        X86_64 if asked.number & X32_BIT != 0 => ScmpArch::X32,
        X86_64 => ScmpArch::X8664,
        X86 => ScmpArch::X86,
        _ => return None,
    };
    newest.iter().find(|(arch, newest)| *arch == abi && asked.number > *newest).map(|_| ENOSYS)
}

/// Whether libseccomp has heard of a call of this name on any architecture.
pub fn knows(name: &str) -> bool {
    ScmpSyscall::from_name(name).is_ok()
}

/// The number of a call; `None`: it does not exist there.
pub fn number(name: &str, arch: ScmpArch) -> Option<u32> {
    let number = ScmpSyscall::from_name_by_arch(name, arch).ok()?;
    u32::try_from(number.as_raw_syscall()).ok()
}

pub(crate) fn architectures(profile: &LinuxSeccomp) -> Vec<ScmpArch> {
    let listed = profile.architectures().iter().flatten();
    listed
        .filter_map(|arch| match arch {
            Arch::ScmpArchX86_64 | Arch::ScmpArchNative => Some(ScmpArch::X8664),
            Arch::ScmpArchX86 => Some(ScmpArch::X86),
            Arch::ScmpArchX32 => Some(ScmpArch::X32),
            Arch::ScmpArchAarch64 => Some(ScmpArch::Aarch64),
            _ => None,
        })
        .collect()
}

pub(crate) fn action(action: LinuxSeccompAction, data: Option<u32>) -> ScmpAction {
    let data = data.unwrap_or(1);
    match action {
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => ScmpAction::KillThread,
        LinuxSeccompAction::ScmpActKillProcess => ScmpAction::KillProcess,
        LinuxSeccompAction::ScmpActTrap => ScmpAction::Trap,
        LinuxSeccompAction::ScmpActErrno => ScmpAction::Errno(i32::try_from(data).unwrap()),
        LinuxSeccompAction::ScmpActTrace => ScmpAction::Trace(u16::try_from(data).unwrap()),
        LinuxSeccompAction::ScmpActLog => ScmpAction::Log,
        LinuxSeccompAction::ScmpActAllow => ScmpAction::Allow,
        LinuxSeccompAction::ScmpActNotify => ScmpAction::Notify,
    }
}

/// A rule for one name: none for a name that is unknown and for what the default does; each condition on its own when
/// an argument is named twice.
fn add(filter: &mut ScmpFilterContext, rule: &LinuxSyscall, name: &str, default: ScmpAction) -> Result<(), String> {
    let action = action(rule.action(), rule.errno_ret());
    let Ok(call) = ScmpSyscall::from_name(name) else { return Ok(()) };
    if action == default {
        return Ok(());
    }
    let args = rule.args().as_deref().unwrap_or_default();
    let conditions: Vec<ScmpArgCompare> = args.iter().map(compare).collect();
    let twice = (0..6).any(|index| args.iter().filter(|arg| arg.index() == index).count() > 1);
    let added = if conditions.is_empty() {
        filter.add_rule(action, call).map(drop)
    } else if twice {
        conditions.iter().try_for_each(|condition| filter.add_rule_conditional(action, call, &[*condition]).map(drop))
    } else {
        filter.add_rule_conditional(action, call, &conditions).map(drop)
    };
    added.map_err(|error| error.to_string())
}

fn compare(arg: &LinuxSeccompArg) -> ScmpArgCompare {
    let index = u32::try_from(arg.index()).unwrap();
    let op = match arg.op() {
        LinuxSeccompOperator::ScmpCmpNe => ScmpCompareOp::NotEqual,
        LinuxSeccompOperator::ScmpCmpLt => ScmpCompareOp::Less,
        LinuxSeccompOperator::ScmpCmpLe => ScmpCompareOp::LessOrEqual,
        LinuxSeccompOperator::ScmpCmpEq => ScmpCompareOp::Equal,
        LinuxSeccompOperator::ScmpCmpGe => ScmpCompareOp::GreaterEqual,
        LinuxSeccompOperator::ScmpCmpGt => ScmpCompareOp::Greater,
        LinuxSeccompOperator::ScmpCmpMaskedEq => {
            let mask = ScmpCompareOp::MaskedEqual(arg.value());
            return ScmpArgCompare::new(index, mask, arg.value_two().unwrap_or(0));
        }
    };
    ScmpArgCompare::new(index, op, arg.value())
}

fn export(filter: &ScmpFilterContext) -> Vec<SockFilter> {
    let mut file = unnamed_file();
    filter.export_bpf(&file).unwrap();
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    let instruction = |bytes: &[u8]| SockFilter {
        code: u16::from_ne_bytes([bytes[0], bytes[1]]),
        jt: bytes[2],
        jf: bytes[3],
        k: u32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
    };
    bytes.chunks_exact(8).map(instruction).collect()
}

fn unnamed_file() -> File {
    let path = std::env::temp_dir().join(format!("skiff-seccomp-{}-{:?}", std::process::id(), std::thread::current().id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    file
}

pub(crate) fn newest(profile: &LinuxSeccomp) -> Vec<(ScmpArch, u32)> {
    use LinuxSeccompAction::{ScmpActAllow, ScmpActLog, ScmpActTrace};
    if matches!(profile.default_action(), ScmpActAllow | ScmpActLog | ScmpActTrace) {
        return Vec::new();
    }
    let names = || profile.syscalls().iter().flatten().flat_map(|rule| rule.names());
    let highest = |arch| names().filter_map(|name| number(name, arch)).max().filter(|&number| number > 0);
    architectures(profile).into_iter().filter_map(|arch| Some((arch, highest(arch)?))).collect()
}
