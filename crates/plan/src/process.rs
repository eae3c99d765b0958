//! The process that the container runs. Parent side.

use std::collections::HashSet;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;

use oci_spec::runtime::{LinuxPersonality, LinuxPersonalityDomain, LinuxSeccomp, PosixRlimit, PosixRlimitType, Process as Spec};

use crate::{Error, HostFacts, Process, Rlimit, Terminal, capabilities};

/// Resolves `process`; what is not granted goes to `warnings`. The values are checked already ([`crate::checks`]).
pub(crate) fn resolve(
    process: &Spec,
    linux: &Linux<'_>,
    facts: &HostFacts,
    warnings: &mut Vec<String>,
) -> Result<Process, Error> {
    let user = process.user();
    Ok(Process {
        args: strings("process.args", process.args().as_deref().unwrap_or_default())?,
        env: environment(process.env().as_deref().unwrap_or_default())?,
        cwd: process.cwd().clone(),
        uid: user.uid(),
        gid: user.gid(),
        groups: user.additional_gids().clone().unwrap_or_default(),
        umask: user.umask().unwrap_or(0o022) & 0o777,
        rlimits: process.rlimits().iter().flatten().map(rlimit).collect(),
        capabilities: capabilities::resolve(process.capabilities().as_ref(), &grantable(linux, facts), warnings),
        no_new_privileges: process.no_new_privileges() == Some(true),
        oom_score_adj: process.oom_score_adj(),
        terminal: terminal(process)?,
        personality: linux.personality.map(|personality| persona(personality.domain())),
        seccomp: linux.seccomp.map(|profile| crate::seccomp(profile, facts.seccomp_flags)).transpose()?,
    })
}

/// What a process takes from `linux` of config.json.
pub(crate) struct Linux<'a> {
    pub(crate) seccomp: Option<&'a LinuxSeccomp>,
    pub(crate) personality: Option<&'a LinuxPersonality>,
    /// The container does not live in the runtime's user namespace.
    pub(crate) user_namespace: bool,
}

/// Whoever enters a user namespace has every capability there, whatever the runtime has outside.
fn grantable(linux: &Linux<'_>, facts: &HostFacts) -> HostFacts {
    let mut facts = facts.clone();
    if linux.user_namespace {
        let all = (1 << crate::capability_names().len()) - 1;
        (facts.bounding, facts.permitted) = (all, all);
    }
    facts
}

/// Rows and columns beyond what a terminal can have are refused, not cut.
fn terminal(process: &Spec) -> Result<Option<Terminal>, Error> {
    if process.terminal() != Some(true) {
        return Ok(None);
    }
    let Some(size) = process.console_size() else { return Ok(Some(Terminal { size: None })) };
    let cells = |name: &str, value: u64| {
        u16::try_from(value).map_err(|_| Error::invalid(format!("process.consoleSize.{name}"), format!("{value} is above 65535")))
    };
    Ok(Some(Terminal { size: Some((cells("height", size.height())?, cells("width", size.width())?)) }))
}

/// sys/personality.h
fn persona(domain: LinuxPersonalityDomain) -> u32 {
    match domain {
        LinuxPersonalityDomain::PerLinux => 0,
        LinuxPersonalityDomain::PerLinux32 => 8,
    }
}

fn strings(field: &str, texts: &[String]) -> Result<Vec<CString>, Error> {
    let string = |(index, text): (usize, &String)| {
        CString::new(text.as_str()).map_err(|_| Error::invalid(format!("{field}[{index}]"), "contains a null byte"))
    };
    texts.iter().enumerate().map(string).collect()
}

/// One entry a name: the last one, at its place, as with runc.
fn environment(entries: &[String]) -> Result<Vec<CString>, Error> {
    let entries = strings("process.env", entries)?;
    let mut seen = HashSet::new();
    let mut last: Vec<CString> = entries.iter().rev().filter(|entry| seen.insert(name(entry))).cloned().collect();
    last.reverse();
    Ok(last)
}

fn name(entry: &CString) -> &[u8] {
    entry.as_bytes().split(|byte| *byte == b'=').next().unwrap_or_default()
}

/// Whether `cwd` is absolute and free of null bytes.
pub(crate) fn valid_cwd(process: &Spec) -> bool {
    process.cwd().is_absolute() && !process.cwd().as_os_str().as_bytes().contains(&0)
}

fn rlimit(limit: &PosixRlimit) -> Rlimit {
    let (name, resource) = resource(limit.typ());
    Rlimit { name, resource, soft: limit.soft(), hard: limit.hard() }
}

fn resource(kind: PosixRlimitType) -> (&'static str, u32) {
    match kind {
        PosixRlimitType::RlimitCpu => ("RLIMIT_CPU", libc::RLIMIT_CPU),
        PosixRlimitType::RlimitFsize => ("RLIMIT_FSIZE", libc::RLIMIT_FSIZE),
        PosixRlimitType::RlimitData => ("RLIMIT_DATA", libc::RLIMIT_DATA),
        PosixRlimitType::RlimitStack => ("RLIMIT_STACK", libc::RLIMIT_STACK),
        PosixRlimitType::RlimitCore => ("RLIMIT_CORE", libc::RLIMIT_CORE),
        PosixRlimitType::RlimitRss => ("RLIMIT_RSS", libc::RLIMIT_RSS),
        PosixRlimitType::RlimitNproc => ("RLIMIT_NPROC", libc::RLIMIT_NPROC),
        PosixRlimitType::RlimitNofile => ("RLIMIT_NOFILE", libc::RLIMIT_NOFILE),
        PosixRlimitType::RlimitMemlock => ("RLIMIT_MEMLOCK", libc::RLIMIT_MEMLOCK),
        PosixRlimitType::RlimitAs => ("RLIMIT_AS", libc::RLIMIT_AS),
        PosixRlimitType::RlimitLocks => ("RLIMIT_LOCKS", libc::RLIMIT_LOCKS),
        PosixRlimitType::RlimitSigpending => ("RLIMIT_SIGPENDING", libc::RLIMIT_SIGPENDING),
        PosixRlimitType::RlimitMsgqueue => ("RLIMIT_MSGQUEUE", libc::RLIMIT_MSGQUEUE),
        PosixRlimitType::RlimitNice => ("RLIMIT_NICE", libc::RLIMIT_NICE),
        PosixRlimitType::RlimitRtprio => ("RLIMIT_RTPRIO", libc::RLIMIT_RTPRIO),
        PosixRlimitType::RlimitRttime => ("RLIMIT_RTTIME", libc::RLIMIT_RTTIME),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::fixtures;

    fn resolved(json: &str) -> Process {
        let process: Spec = serde_json::from_str(json).unwrap();
        let linux = Linux { seccomp: None, personality: None, user_namespace: false };
        resolve(&process, &linux, &fixtures::facts(), &mut Vec::new()).unwrap()
    }

    #[test]
    fn defaults() {
        let process = resolved(r#"{"user":{},"cwd":"/","args":["sh"]}"#);
        assert_eq!(
            process,
            Process {
                args: vec![c"sh".to_owned()],
                env: vec![],
                cwd: "/".into(),
                uid: 0,
                gid: 0,
                groups: vec![],
                umask: 0o022,
                rlimits: vec![],
                capabilities: Default::default(),
                no_new_privileges: false,
                oom_score_adj: None,
                terminal: None,
                personality: None,
                seccomp: None,
            }
        );
    }

    #[test]
    fn everything() {
        let process = resolved(
            r#"{"user":{"uid":1,"gid":2,"umask":4095,"additionalGids":[3,4]},"cwd":"/w","args":["a","b c"],"env":["A=1"],
            "noNewPrivileges":true,"oomScoreAdj":-7,"rlimits":[{"type":"RLIMIT_CORE","soft":1,"hard":18446744073709551615}]}"#,
        );
        assert_eq!((process.uid, process.gid, process.umask, process.oom_score_adj), (1, 2, 0o777, Some(-7)));
        assert_eq!((process.groups, process.cwd), (vec![3, 4], "/w".into()));
        assert_eq!(process.args, [c"a".to_owned(), c"b c".to_owned()]);
        assert_eq!(process.rlimits, [Rlimit { name: "RLIMIT_CORE", resource: 4, soft: 1, hard: u64::MAX }]);
        assert!(process.no_new_privileges);
    }

    #[test]
    fn the_last_value_of_a_name_wins() {
        for (env, expected) in [
            (&["A=1", "B=2", "A=3"][..], &["B=2", "A=3"][..]),
            (&["A=1", "A=1"], &["A=1"]),
            (&["A=", "A=x=y"], &["A=x=y"]),
            (&["A=1", "AA=2", "a=3"], &["A=1", "AA=2", "a=3"]),
            (&[], &[]),
        ] {
            let env: Vec<String> = env.iter().map(|entry| (*entry).to_owned()).collect();
            let found = environment(&env).unwrap();
            assert!(found.iter().map(|entry| entry.to_str().unwrap()).eq(expected.iter().copied()), "{env:?}");
        }
    }

    /// Against the kernel's numbers (`asm-generic/resource.h`).
    #[test]
    fn every_limit_has_its_number() {
        let names = "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME";
        for (number, name) in names.split(' ').enumerate() {
            let name = format!("RLIMIT_{name}");
            let kind: PosixRlimitType = serde_json::from_value(name.as_str().into()).unwrap();
            assert_eq!(resource(kind), (name.as_str(), u32::try_from(number).unwrap()));
        }
    }
}
