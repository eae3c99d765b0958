//! `skiff features`: what this build can do, in the form of the runtime specification's features.md. It claims nothing
//! that is not there: containerd, CRI-O and Kubernetes act on it.

use crate::{output, version};
use serde::Serialize;

/// The namespaces that a container can have.
const NAMESPACES: [&str; 6] = ["cgroup", "ipc", "mount", "network", "pid", "uts"];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Features {
    oci_version_min: &'static str,
    oci_version_max: &'static str,
    /// Present and empty: no hooks are run. Absent would mean that nobody knows.
    hooks: [&'static str; 0],
    mount_options: Vec<&'static str>,
    linux: Linux,
    annotations: Annotations,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Linux {
    namespaces: [&'static str; 6],
    capabilities: &'static [&'static str],
    cgroup: Cgroup,
    seccomp: Enabled,
    apparmor: Enabled,
    selinux: Enabled,
    intel_rdt: Enabled,
    mount_extensions: MountExtensions,
    net_devices: Enabled,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Cgroup {
    v1: bool,
    v2: bool,
    systemd: bool,
    systemd_user: bool,
    rdma: bool,
}

#[derive(Serialize)]
struct Enabled {
    enabled: bool,
}

#[derive(Serialize)]
struct MountExtensions {
    idmap: Enabled,
}

#[derive(Serialize)]
struct Annotations {
    #[serde(rename = "org.skiff.commit")]
    commit: &'static str,
    #[serde(rename = "org.skiff.version")]
    version: &'static str,
}

/// Needs neither root nor a state directory.
pub(crate) fn run() -> anyhow::Result<()> {
    output::text(&(output::pretty(&features(), "    ")? + "\n"))
}

fn features() -> Features {
    Features {
        oci_version_min: "1.0.0",
        oci_version_max: version::SPEC,
        hooks: [],
        mount_options: skiff_plan::mount_option_names(),
        linux: linux(),
        annotations: Annotations { commit: version::COMMIT, version: version::VERSION },
    }
}

fn linux() -> Linux {
    let no = || Enabled { enabled: false };
    Linux {
        namespaces: NAMESPACES,
        capabilities: skiff_plan::capability_names(),
        cgroup: Cgroup { v1: true, v2: true, systemd: false, systemd_user: false, rdma: false },
        seccomp: no(),
        apparmor: no(),
        selinux: no(),
        intel_rdt: no(),
        mount_extensions: MountExtensions { idmap: no() },
        net_devices: no(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn fits_the_schema_of_oci_spec() {
        let text = serde_json::to_string(&features()).unwrap();
        let parsed: oci_spec::runtime::Features = serde_json::from_str(&text).unwrap();
        assert_eq!(parsed.oci_version_max(), version::SPEC);
        assert_eq!(parsed.hooks().as_ref().map(Vec::len), Some(0));
        assert!(text.contains("\"rro\"") && text.contains("\"CAP_SYS_ADMIN\""));
    }

    #[test]
    fn capabilities_and_options_are_named_as_clients_look_for_them() {
        assert!(skiff_plan::capability_names().iter().all(|name| name.starts_with("CAP_")));
        assert!(skiff_plan::mount_option_names().is_sorted());
    }
}
