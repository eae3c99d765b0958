//! What config.json may ask for and this version cannot do yet: refused by name, never skipped. Parent side.

use oci_spec::runtime::{Linux, LinuxIdMapping, LinuxNamespaceType, LinuxPersonalityDomain, Process, Spec};

use crate::{Error, mounts, namespaces};

/// Refuses the first field of `spec` that cannot be honoured.
pub(crate) fn check(spec: &Spec) -> Result<(), Error> {
    let first = spec
        .process()
        .as_ref()
        .and_then(in_process)
        .or_else(|| in_hooks(spec))
        .or_else(|| in_mounts(spec))
        .or_else(|| in_namespaces(spec))
        .or_else(|| spec.linux().as_ref().and_then(in_linux));
    first.map_or(Ok(()), |field| Err(Error::unsupported(field)))
}

fn first<'a>(asked: &[(&'a str, bool)]) -> Option<&'a str> {
    asked.iter().find(|(_, asked)| *asked).map(|(field, _)| *field)
}

fn in_process(process: &Process) -> Option<String> {
    let asked = [
        ("process.terminal", process.terminal() == Some(true)),
        ("process.apparmorProfile", is_set(process.apparmor_profile())),
        ("process.selinuxLabel", is_set(process.selinux_label())),
        ("process.ioPriority", process.io_priority().is_some()),
        ("process.scheduler", process.scheduler().is_some()),
    ];
    first(&asked).map(str::to_owned)
}

fn is_set(text: &Option<String>) -> bool {
    text.as_ref().is_some_and(|text| !text.is_empty())
}

fn any<T>(list: &Option<Vec<T>>) -> bool {
    list.as_ref().is_some_and(|list| !list.is_empty())
}

#[allow(deprecated)] // the specification deprecates prestart hooks; docker and nvidia still use them
fn in_hooks(spec: &Spec) -> Option<String> {
    let hooks = spec.hooks().as_ref()?;
    let asked = [
        ("hooks.prestart", any(hooks.prestart())),
        ("hooks.createRuntime", any(hooks.create_runtime())),
        ("hooks.createContainer", any(hooks.create_container())),
        ("hooks.startContainer", any(hooks.start_container())),
        ("hooks.poststart", any(hooks.poststart())),
        ("hooks.poststop", any(hooks.poststop())),
    ];
    first(&asked).map(str::to_owned)
}

/// `idmap` and `ridmap` are refused where options are read.
fn in_mounts(spec: &Spec) -> Option<String> {
    mounts::entries(spec).iter().enumerate().find_map(|(index, mount)| {
        let root = mounts::destination(mount.destination()) == std::path::Path::new("/");
        let asked =
            [("uidMappings", any(mount.uid_mappings())), ("gidMappings", any(mount.gid_mappings())), ("destination: /", root)];
        first(&asked).map(|field| format!("mounts[{index}].{field}"))
    })
}

fn in_namespaces(spec: &Spec) -> Option<String> {
    namespaces::listed(spec).iter().enumerate().find_map(|(index, namespace)| {
        let kind = namespace.typ();
        if namespaces::joined(namespace).is_some() {
            return Some(format!("linux.namespaces[{index}].path"));
        }
        let later = matches!(kind, LinuxNamespaceType::User | LinuxNamespaceType::Time);
        later.then(|| format!("linux.namespaces[{index}].type: {}", namespaces::name(kind)))
    })
}

fn in_linux(linux: &Linux) -> Option<String> {
    let mappings = |list: &Option<Vec<LinuxIdMapping>>| any(list);
    let linux32 = linux.personality().as_ref().is_some_and(|found| found.domain() == LinuxPersonalityDomain::PerLinux32);
    let asked = [
        ("linux.uidMappings", mappings(linux.uid_mappings())),
        ("linux.gidMappings", mappings(linux.gid_mappings())),
        ("linux.timeOffsets", linux.time_offsets().as_ref().is_some_and(|offsets| !offsets.is_empty())),
        ("linux.seccomp", linux.seccomp().is_some()),
        ("linux.mountLabel", is_set(linux.mount_label())),
        ("linux.intelRdt", linux.intel_rdt().is_some()),
        ("linux.netDevices", linux.net_devices().as_ref().is_some_and(|devices| !devices.is_empty())),
        ("linux.memoryPolicy", linux.memory_policy().is_some()),
        ("linux.personality.domain: LINUX32", linux32),
    ];
    first(&asked).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn refusal(json: &str) -> Option<String> {
        let spec: Spec = serde_json::from_str(json).unwrap();
        check(&spec).err().map(|error| error.to_string())
    }

    #[test]
    fn every_field() {
        let map = r#"[{"containerID":0,"hostID":1,"size":1}]"#;
        let hook = r#"[{"path":"/bin/true"}]"#;
        let cases = [
            ("process.terminal", r#""terminal":true"#.to_owned()),
            ("process.apparmorProfile", r#""apparmorProfile":"x""#.to_owned()),
            ("process.selinuxLabel", r#""selinuxLabel":"x""#.to_owned()),
            ("process.scheduler", r#""scheduler":{"policy":"SCHED_BATCH"}"#.to_owned()),
            ("process.ioPriority", r#""ioPriority":{"class":"IOPRIO_CLASS_IDLE"}"#.to_owned()),
            ("hooks.prestart", format!(r#""prestart":{hook}"#)),
            ("hooks.createRuntime", format!(r#""createRuntime":{hook}"#)),
            ("hooks.createContainer", format!(r#""createContainer":{hook}"#)),
            ("hooks.startContainer", format!(r#""startContainer":{hook}"#)),
            ("hooks.poststart", format!(r#""poststart":{hook}"#)),
            ("hooks.poststop", format!(r#""poststop":{hook}"#)),
            ("linux.uidMappings", format!(r#""uidMappings":{map}"#)),
            ("linux.gidMappings", format!(r#""gidMappings":{map}"#)),
            ("linux.timeOffsets", r#""timeOffsets":{"boottime":{"secs":1}}"#.to_owned()),
            ("linux.seccomp", r#""seccomp":{"defaultAction":"SCMP_ACT_ALLOW"}"#.to_owned()),
            ("linux.mountLabel", r#""mountLabel":"x""#.to_owned()),
            ("linux.intelRdt", r#""intelRdt":{"closID":"x"}"#.to_owned()),
            ("linux.netDevices", r#""netDevices":{"eth0":{}}"#.to_owned()),
            ("linux.memoryPolicy", r#""memoryPolicy":{"mode":"MPOL_DEFAULT","nodes":"0"}"#.to_owned()),
            ("linux.personality.domain: LINUX32", r#""personality":{"domain":"LINUX32"}"#.to_owned()),
            ("linux.namespaces[1].path", r#""namespaces":[{"type":"mount"},{"type":"pid","path":"/proc/1/ns/pid"}]"#.to_owned()),
            ("linux.namespaces[0].type: user", r#""namespaces":[{"type":"user"}]"#.to_owned()),
            ("linux.namespaces[0].type: time", r#""namespaces":[{"type":"time","path":""}]"#.to_owned()),
        ];
        for (field, body) in cases {
            let json = match field.split('.').next().unwrap() {
                "process" => format!(r#"{{"process":{{"user":{{}},"cwd":"/",{body}}}}}"#),
                section => format!(r#"{{"{section}":{{{body}}}}}"#),
            };
            assert_eq!(refusal(&json), Some(format!("config.json: {field}: not supported yet")), "{json}");
        }
    }

    #[test]
    fn in_a_mount() {
        let map = r#"[{"containerID":0,"hostID":1,"size":1}]"#;
        for (field, body) in [
            ("uidMappings", format!(r#""destination":"/a","uidMappings":{map},"gidMappings":{map}"#)),
            ("gidMappings", format!(r#""destination":"/a","gidMappings":{map}"#)),
            ("destination: /", r#""destination":"/a/..""#.to_owned()),
        ] {
            let json = format!(r#"{{"mounts":[{{"destination":"/b"}},{{{body}}}]}}"#);
            assert_eq!(refusal(&json), Some(format!("config.json: mounts[1].{field}: not supported yet")));
        }
    }

    #[test]
    fn nothing_set_is_nothing_asked() {
        for json in [
            r#"{"process":{"user":{},"cwd":"/","terminal":false,"consoleSize":{"height":1,"width":1},"apparmorProfile":"","selinuxLabel":"",
               "execCPUAffinity":{"initial":"0"}}}"#,
            r#"{"hooks":{}}"#,
            r#"{"hooks":{"prestart":[],"poststop":null}}"#,
            r#"{"linux":{"uidMappings":[],"gidMappings":[],"timeOffsets":{},"mountLabel":"","netDevices":{},"seccomp":null,
               "personality":{"domain":"LINUX"},"namespaces":[{"type":"pid","path":""}]}}"#,
            r#"{"mounts":[{"destination":"/a","uidMappings":[],"gidMappings":[]}]}"#,
            r#"{"linux":null,"windows":null}"#,
        ] {
            assert_eq!(refusal(json), None, "{json}");
        }
    }
}
