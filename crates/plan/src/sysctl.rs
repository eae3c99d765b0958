//! Kernel parameters: which may be set, and where they lie. Parent side.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxNamespaceType, Spec};

use crate::{Error, InitOp, namespaces};

/// Parameters of the IPC namespace, besides `fs.mqueue` (ipc_namespaces(7)).
const IPC: [&str; 8] = [
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/sem",
    "kernel/shmall",
    "kernel/shmmax",
    "kernel/shmmni",
    "kernel/shm_rmid_forced",
];

/// The parameters of `spec`, sorted by key.
pub(crate) fn resolve(spec: &Spec) -> Result<Vec<InitOp>, Error> {
    listed(spec).into_iter().map(|(key, value)| op(key, value)).collect()
}

fn listed(spec: &Spec) -> BTreeMap<&str, &str> {
    let sysctl = spec.linux().as_ref().and_then(|linux| linux.sysctl().as_ref());
    sysctl.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

fn op(key: &str, value: &str) -> Result<InitOp, Error> {
    let value = CString::new(value).map_err(|_| Error::invalid(field(key), "contains a null byte"))?;
    Ok(InitOp::Sysctl { key: path(key), value })
}

fn field(key: &str) -> String {
    format!("linux.sysctl: {key}")
}

/// The path below `/proc/sys`. Whichever of `.` and `/` comes first separates; the other one stands for itself then,
/// or for its counterpart: `net.ipv4.conf.eth0/1.mtu` and `net/ipv4/conf/eth0.1/mtu` are one (sysctl(8)).
fn path(key: &str) -> PathBuf {
    let dots = key.find(['.', '/']).is_some_and(|at| key[at..].starts_with('.'));
    if !dots {
        return PathBuf::from(key);
    }
    let swap = |letter| match letter {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    PathBuf::from(key.chars().map(swap).collect::<String>())
}

/// Only what is the container's own may be set: parameters of its IPC, network and UTS namespaces.
pub(crate) fn check(spec: &Spec) -> Result<(), Error> {
    listed(spec).into_keys().try_for_each(|key| check_key(spec, key))
}

fn check_key(spec: &Spec, key: &str) -> Result<(), Error> {
    let path = path(key);
    let refuse = |why: &str| Err(Error::invalid(field(key), why));
    // `net/../kernel/core_pattern` is the host's
    if path.as_os_str().as_encoded_bytes().split(|byte| *byte == b'/').any(|name| [&b""[..], b".", b".."].contains(&name)) {
        return refuse("is not a plain path below /proc/sys");
    }
    let (kind, name) = if path.starts_with("net") && path != Path::new("net") {
        (LinuxNamespaceType::Network, "network")
    } else if IPC.iter().any(|known| path == Path::new(known)) || path.starts_with("fs/mqueue") {
        (LinuxNamespaceType::Ipc, "ipc")
    } else if path == Path::new("kernel/domainname") {
        (LinuxNamespaceType::Uts, "uts")
    } else if path == Path::new("kernel/hostname") {
        return refuse("is set by the field `hostname`");
    } else {
        return refuse("belongs to no namespace, so it would change the host");
    };
    if namespaces::has(spec, kind) { Ok(()) } else { refuse(&format!("needs a {name} namespace of the container's own")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn spec(key: &str, namespaces: &str) -> Spec {
        let namespaces: Vec<_> = namespaces.split_whitespace().map(|kind| serde_json::json!({ "type": kind })).collect();
        serde_json::from_value(serde_json::json!({ "linux": { "sysctl": { key: "1" }, "namespaces": namespaces } })).unwrap()
    }

    #[test]
    fn the_allow_list() {
        for (key, kind) in [
            ("net.ipv4.ip_forward", "network"),
            ("net/ipv4/ip_forward", "network"),
            ("kernel.msgmax", "ipc"),
            ("kernel/shm_rmid_forced", "ipc"),
            ("kernel.sem", "ipc"),
            ("fs.mqueue.msg_max", "ipc"),
            ("fs/mqueue/msg_max", "ipc"),
            ("kernel.domainname", "uts"),
        ] {
            assert!(check(&spec(key, kind)).is_ok(), "{key}");
            let others: Vec<&str> =
                ["network", "ipc", "uts", "pid", "mount"].into_iter().filter(|other| *other != kind).collect();
            let text = check(&spec(key, &others.join(" "))).unwrap_err().to_string();
            assert_eq!(text, format!("config.json: linux.sysctl: {key}: needs a {kind} namespace of the container's own"));
        }
    }

    #[test]
    fn what_is_refused_whatever_the_namespaces() {
        let host = "belongs to no namespace, so it would change the host";
        let plain = "is not a plain path below /proc/sys";
        for (key, why) in [
            ("kernel.hostname", "is set by the field `hostname`"),
            ("kernel.core_pattern", host),
            ("vm.swappiness", host),
            ("kernel.msgmaxx", host),
            ("net", host),
            ("network.x", host),
            ("fs.mqueued", host),
            ("net/../kernel/core_pattern", plain),
            ("net.//.kernel.core_pattern", plain),
            ("net..x", plain),
            ("net/./x", plain),
            ("/net/x", plain),
            ("net/", plain),
            ("", plain),
            ("..", plain),
        ] {
            let text = check(&spec(key, "network ipc uts")).unwrap_err().to_string();
            assert_eq!(text, format!("config.json: linux.sysctl: {key}: {why}"));
        }
    }

    #[test]
    fn separators() {
        for (key, expected) in [
            ("net.ipv4.conf.eno2/100.rp_filter", "net/ipv4/conf/eno2.100/rp_filter"),
            ("net/ipv4/conf/eno2.100/rp_filter", "net/ipv4/conf/eno2.100/rp_filter"),
            ("kernel.sem", "kernel/sem"),
        ] {
            let ops = resolve(&spec(key, "")).unwrap();
            assert_eq!(ops, [InitOp::Sysctl { key: expected.into(), value: c"1".to_owned() }]);
        }
    }

    #[test]
    fn sorted_by_key() {
        let json = r#"{"linux":{"sysctl":{"net.c":"3","net.a":"1 2","net.b":""}}}"#;
        let ops = resolve(&serde_json::from_str(json).unwrap()).unwrap();
        let op = |key: &str, value: &std::ffi::CStr| InitOp::Sysctl { key: key.into(), value: value.to_owned() };
        assert_eq!(ops, [op("net/a", c"1 2"), op("net/b", c""), op("net/c", c"3")]);
        let nul = r#"{"linux":{"sysctl":{"net.c":"a\u0000b"}}}"#;
        let text = resolve(&serde_json::from_str(nul).unwrap()).unwrap_err().to_string();
        assert_eq!(text, "config.json: linux.sysctl: net.c: contains a null byte");
    }
}
