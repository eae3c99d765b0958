//! Device nodes and the links of `/dev`. Parent side.

use std::path::{Path, PathBuf};

use libc::{S_IFBLK, S_IFCHR, S_IFIFO, S_IFMT};
use oci_spec::runtime::{LinuxDevice, LinuxDeviceType, Spec};

use crate::mounts;
use crate::{DeviceNode, Error, InitOp};

/// What every container has (runtime-spec, config-linux, "Default Devices"): path, major and minor number.
const DEFAULTS: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

/// Largest numbers that mknod(2) does not cut off.
const MAX_MAJOR: u32 = (1 << 12) - 1;
const MAX_MINOR: u32 = (1 << 20) - 1;

const PTMX: &str = "/dev/ptmx";

/// The nodes, then the links; nothing if `/dev` is somebody else's directory, bound from the host.
pub(crate) fn resolve(spec: &Spec) -> Result<Vec<InitOp>, Error> {
    if mounts::entries(spec).iter().any(binds_dev) {
        return Ok(Vec::new());
    }
    let listed = listed(spec)?;
    let default = DEFAULTS.iter().map(default).filter(|node| !listed.iter().any(|other| other.path == node.path));
    let nodes = default.chain(listed.iter().cloned()).map(InitOp::Device).collect::<Vec<_>>();
    Ok(nodes.into_iter().chain(links(spec)).collect())
}

fn binds_dev(entry: &oci_spec::runtime::Mount) -> bool {
    mounts::is_bind(entry) && mounts::destination(entry.destination()) == Path::new("/dev")
}

fn default(device: &(&str, u32, u32)) -> DeviceNode {
    let (path, major, minor) = *device;
    DeviceNode { path: path.into(), file_type: S_IFCHR, major, minor, mode: 0o666, uid: 0, gid: 0 }
}

fn listed(spec: &Spec) -> Result<Vec<DeviceNode>, Error> {
    let devices = spec.linux().as_ref().and_then(|linux| linux.devices().as_deref()).unwrap_or_default();
    let nodes = devices.iter().enumerate().map(|(index, device)| node(index, device));
    // privileged containers list the host's own multiplexer; theirs is a link to their devpts
    nodes.filter(|node| !matches!(node, Ok(node) if node.path == Path::new(PTMX))).collect()
}

fn node(index: usize, device: &LinuxDevice) -> Result<DeviceNode, Error> {
    let field = |name: &str| format!("linux.devices[{index}].{name}");
    let file_type = match device.typ() {
        LinuxDeviceType::C | LinuxDeviceType::U => S_IFCHR,
        LinuxDeviceType::B => S_IFBLK,
        LinuxDeviceType::P => S_IFIFO,
        LinuxDeviceType::A => return Err(Error::invalid(field("type"), "`a` is for rules only")),
    };
    if !device.path().is_absolute() {
        return Err(Error::invalid(field("path"), format!("`{}` is not absolute", device.path().display())));
    }
    let (major, minor) = match file_type {
        S_IFIFO => (0, 0),
        _ => (number(field("major"), device.major(), MAX_MAJOR)?, number(field("minor"), device.minor(), MAX_MINOR)?),
    };
    Ok(DeviceNode {
        path: mounts::destination(device.path()),
        file_type,
        major,
        minor,
        mode: device.file_mode().unwrap_or(0o666) & !S_IFMT & 0o7777,
        uid: device.uid().unwrap_or(0),
        gid: device.gid().unwrap_or(0),
    })
}

fn number(field: String, value: i64, max: u32) -> Result<u32, Error> {
    let fits = u32::try_from(value).ok().filter(|value| *value <= max);
    fits.ok_or_else(|| Error::invalid(field, format!("{value} is not between 0 and {max}")))
}

fn links(spec: &Spec) -> Vec<InitOp> {
    let proc = |entry: &oci_spec::runtime::Mount| {
        entry.typ().as_deref() == Some("proc") && mounts::destination(entry.destination()) == Path::new("/proc")
    };
    let mut links = vec![
        link(c"/proc/self/fd", "/dev/fd", true),
        link(c"/proc/self/fd/0", "/dev/stdin", true),
        link(c"/proc/self/fd/1", "/dev/stdout", true),
        link(c"/proc/self/fd/2", "/dev/stderr", true),
    ];
    if mounts::entries(spec).iter().any(proc) {
        links.push(link(c"/proc/kcore", "/dev/core", true));
    }
    // runc removes whatever an image has there: another multiplexer would not fit the container's devpts
    links.push(link(c"pts/ptmx", PTMX, false));
    links
}

fn link(target: &std::ffi::CStr, path: &str, keep_existing: bool) -> InitOp {
    InitOp::Symlink { target: target.to_owned(), path: PathBuf::from(path), keep_existing }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn resolved(json: &str) -> Result<Vec<InitOp>, String> {
        resolve(&serde_json::from_str(json).unwrap()).map_err(|error| error.to_string())
    }

    fn paths(ops: &[InitOp]) -> Vec<&str> {
        let path = |op: &'_ InitOp| match op {
            InitOp::Device(node) => node.path.to_str().unwrap().to_owned().leak() as &str,
            InitOp::Symlink { path, .. } => path.to_str().unwrap().to_owned().leak() as &str,
            other => panic!("{other:?}"),
        };
        ops.iter().map(path).collect()
    }

    #[test]
    fn defaults_and_links() {
        let all = "/dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /dev/fd /dev/stdin /dev/stdout /dev/stderr";
        for (mounts, core) in [
            (r#"{"destination":"/proc","type":"proc"}"#, true),
            (r#"{"destination":"proc/","type":"proc"}"#, true),
            (r#"{"destination":"/proc","type":"bind","source":"/proc"}"#, false),
            (r#"{"destination":"/p","type":"proc"}"#, false),
        ] {
            let ops = resolved(&format!(r#"{{"mounts":[{mounts}]}}"#)).unwrap();
            let mut expected: Vec<&str> = all.split(' ').collect();
            expected.extend(core.then_some("/dev/core"));
            expected.push("/dev/ptmx");
            assert_eq!(paths(&ops), expected, "{mounts}");
        }
    }

    #[test]
    fn the_numbers_of_the_defaults() {
        for (at, (path, major, minor)) in DEFAULTS.into_iter().enumerate() {
            let expected = DeviceNode { path: path.into(), file_type: S_IFCHR, major, minor, mode: 0o666, uid: 0, gid: 0 };
            assert_eq!(resolved("{}").unwrap()[at], InitOp::Device(expected));
        }
    }

    #[test]
    fn nothing_is_made_in_a_bound_dev() {
        for (mount, empty) in [
            (r#"{"destination":"/dev","type":"bind","source":"/dev","options":["rbind"]}"#, true),
            (r#"{"destination":"dev/","source":"/dev","options":["bind"]}"#, true),
            (r#"{"destination":"/dev/","type":"none","source":"/dev","options":["bind"]}"#, true),
            (r#"{"destination":"/dev","type":"tmpfs"}"#, false),
            (r#"{"destination":"/dev/shm","type":"bind","source":"/x","options":["bind"]}"#, false),
        ] {
            let ops = resolved(&format!(r#"{{"mounts":[{mount}],"linux":{{"devices":[{{"path":"/dev/x","type":"p"}}]}}}}"#));
            assert_eq!(ops.unwrap().is_empty(), empty, "{mount}");
        }
    }

    #[test]
    fn listed_devices() {
        let node = |file_type, major, minor, mode, uid, gid| DeviceNode {
            path: "/dev/x".into(),
            file_type,
            major,
            minor,
            mode,
            uid,
            gid,
        };
        for (fields, expected) in [
            (r#""type":"c","major":10,"minor":200"#, node(S_IFCHR, 10, 200, 0o666, 0, 0)),
            (r#""type":"u","major":10,"minor":200,"fileMode":384"#, node(S_IFCHR, 10, 200, 0o600, 0, 0)),
            (r#""type":"b","major":4095,"minor":1048575,"uid":7,"gid":8"#, node(S_IFBLK, 4095, 1_048_575, 0o666, 7, 8)),
            (r#""type":"p","major":-1,"minor":-1,"fileMode":4516"#, node(S_IFIFO, 0, 0, 0o644, 0, 0)),
            (r#""type":"c","fileMode":8630"#, node(S_IFCHR, 0, 0, 0o666, 0, 0)),
        ] {
            let ops = resolved(&format!(r#"{{"linux":{{"devices":[{{"path":"/dev/./x",{fields}}}]}}}}"#)).unwrap();
            assert_eq!(ops[6], InitOp::Device(expected), "{fields}");
        }
    }

    #[test]
    fn a_listed_device_replaces_the_default_one_and_ptmx_stays_a_link() {
        let ops = resolved(
            r#"{"linux":{"devices":[{"path":"/dev/null","type":"c","major":1,"minor":3,"fileMode":384},
                {"path":"/dev/ptmx","type":"c","major":5,"minor":2}]}}"#,
        )
        .unwrap();
        let found = paths(&ops);
        assert_eq!(found.iter().filter(|path| **path == "/dev/null").count(), 1);
        assert_eq!(found[5], "/dev/null");
        assert_eq!(found.iter().filter(|path| **path == PTMX).count(), 1);
        assert_eq!(ops.last(), Some(&link(c"pts/ptmx", PTMX, false)));
    }

    #[test]
    fn errors() {
        for (device, expected) in [
            (r#""path":"/dev/x","type":"a""#, "type: `a` is for rules only"),
            (r#""path":"dev/x","type":"c""#, "path: `dev/x` is not absolute"),
            (r#""path":"","type":"c""#, "path: `` is not absolute"),
            (r#""path":"/dev/x","type":"c","major":-1"#, "major: -1 is not between 0 and 4095"),
            (r#""path":"/dev/x","type":"c","major":4096"#, "major: 4096 is not between 0 and 4095"),
            (r#""path":"/dev/x","type":"b","minor":1048576"#, "minor: 1048576 is not between 0 and 1048575"),
        ] {
            let text = resolved(&format!(r#"{{"linux":{{"devices":[{{{device}}}]}}}}"#)).unwrap_err();
            assert_eq!(text, format!("config.json: linux.devices[0].{expected}"));
        }
    }
}
