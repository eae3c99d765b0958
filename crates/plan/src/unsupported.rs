//! What config.json may ask for and this version cannot do yet: refused by name, never skipped. Parent side.

use oci_spec::runtime::{Linux, Process, Spec};

use crate::{Error, mounts};

/// Refuses the first field of `spec` that cannot be honoured.
pub(crate) fn check(spec: &Spec) -> Result<(), Error> {
    let first = spec
        .process()
        .as_ref()
        .and_then(in_process)
        .or_else(|| in_mounts(spec))
        .or_else(|| spec.linux().as_ref().and_then(in_linux));
    first.map_or(Ok(()), |field| Err(Error::unsupported(field)))
}

/// The first such field of a process, for exec.
pub(crate) fn process(process: &Process) -> Result<(), Error> {
    in_process(process).map_or(Ok(()), |field| Err(Error::unsupported(field)))
}

fn first<'a>(asked: &[(&'a str, bool)]) -> Option<&'a str> {
    asked.iter().find(|(_, asked)| *asked).map(|(field, _)| *field)
}

fn in_process(process: &Process) -> Option<String> {
    let asked = [
        // Whoever runs unconfined leaves it at that; whoever does not hands its own profile on, which is no less.
        (
            "process.apparmorProfile",
            is_set(process.apparmor_profile()) && process.apparmor_profile().as_deref() != Some("unconfined"),
        ),
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

/// `idmap` and `ridmap` are refused where options are read.
fn in_mounts(spec: &Spec) -> Option<String> {
    mounts::entries(spec).iter().enumerate().find_map(|(index, mount)| {
        let root = mounts::destination(mount.destination()) == std::path::Path::new("/");
        let asked =
            [("uidMappings", any(mount.uid_mappings())), ("gidMappings", any(mount.gid_mappings())), ("destination: /", root)];
        first(&asked).map(|field| format!("mounts[{index}].{field}"))
    })
}

fn in_linux(linux: &Linux) -> Option<String> {
    let asked = [
        ("linux.mountLabel", is_set(linux.mount_label())),
        ("linux.intelRdt", linux.intel_rdt().is_some()),
        ("linux.netDevices", linux.net_devices().as_ref().is_some_and(|devices| !devices.is_empty())),
        ("linux.memoryPolicy", linux.memory_policy().is_some()),
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
        let cases = [
            ("process.apparmorProfile", r#""apparmorProfile":"x""#.to_owned()),
            ("process.selinuxLabel", r#""selinuxLabel":"x""#.to_owned()),
            ("process.scheduler", r#""scheduler":{"policy":"SCHED_BATCH"}"#.to_owned()),
            ("process.ioPriority", r#""ioPriority":{"class":"IOPRIO_CLASS_IDLE"}"#.to_owned()),
            ("linux.mountLabel", r#""mountLabel":"x""#.to_owned()),
            ("linux.intelRdt", r#""intelRdt":{"closID":"x"}"#.to_owned()),
            ("linux.netDevices", r#""netDevices":{"eth0":{}}"#.to_owned()),
            ("linux.memoryPolicy", r#""memoryPolicy":{"mode":"MPOL_DEFAULT","nodes":"0"}"#.to_owned()),
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
            r#"{"process":{"user":{},"cwd":"/","terminal":false,"consoleSize":{"height":1,"width":1},"apparmorProfile":"unconfined","selinuxLabel":"",
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
