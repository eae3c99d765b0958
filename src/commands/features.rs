//! `skiff features`: what this build can do, in the form of the runtime specification's features.md. It claims nothing
//! that is not there: containerd, CRI-O and Kubernetes act on it.

use crate::{Context, output, version, wasm};
use serde::Serialize;

/// The namespaces that a container can have.
const NAMESPACES: [&str; 8] = ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"];

/// In the order of the specification.
const HOOKS: [&str; 6] = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

const OPERATORS: [&str; 7] =
    ["SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE"];

/// Whose callers a profile can judge on this machine.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURES: [&str; 3] = ["SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"];
#[cfg(target_arch = "aarch64")]
const ARCHITECTURES: [&str; 2] = ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"];

/// TSYNC says nothing where there is one thread.
const SECCOMP_FLAGS: [&str; 3] = ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC"];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Features {
    oci_version_min: &'static str,
    oci_version_max: &'static str,
    hooks: [&'static str; 6],
    mount_options: Vec<&'static str>,
    linux: Linux,
    annotations: Annotations,
    potentially_unsafe_config_annotations: Vec<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Linux {
    namespaces: [&'static str; 8],
    capabilities: &'static [&'static str],
    cgroup: Cgroup,
    seccomp: Seccomp,
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
#[serde(rename_all = "camelCase")]
struct Seccomp {
    enabled: bool,
    actions: &'static [&'static str],
    operators: [&'static str; 7],
    archs: &'static [&'static str],
    known_flags: [&'static str; 3],
    supported_flags: [&'static str; 3],
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
    #[serde(rename = "org.skiff.wasm.engine", skip_serializing_if = "Option::is_none")]
    engine: Option<String>,
}

/// Needs neither root nor a state directory.
pub(crate) fn run(context: &Context) -> anyhow::Result<()> {
    output::text(&(output::pretty(&features(wasm::engine(context)), "    ")? + "\n"))
}

/// What changes a container by its mere presence; one that ends in a dot stands for all that begin so.
fn annotations() -> Vec<&'static str> {
    skiff_plan::ANNOTATIONS.into_iter().chain(["org.systemd.property."]).collect()
}

fn features(engine: Option<String>) -> Features {
    Features {
        potentially_unsafe_config_annotations: annotations(),
        oci_version_min: "1.0.0",
        oci_version_max: version::SPEC,
        hooks: HOOKS,
        mount_options: skiff_plan::mount_option_names(),
        linux: linux(),
        annotations: Annotations { commit: version::COMMIT, version: version::VERSION, engine },
    }
}

fn linux() -> Linux {
    let no = || Enabled { enabled: false };
    Linux {
        namespaces: NAMESPACES,
        capabilities: skiff_plan::capability_names(),
        cgroup: Cgroup { v1: true, v2: true, systemd: true, systemd_user: true, rdma: true },
        seccomp: Seccomp {
            enabled: true,
            actions: skiff_plan::SECCOMP_ACTIONS,
            operators: OPERATORS,
            archs: &ARCHITECTURES,
            known_flags: SECCOMP_FLAGS,
            supported_flags: SECCOMP_FLAGS,
        },
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
        let text = serde_json::to_string(&features(Some("WasmEdge 1.2.3".into()))).unwrap();
        let parsed: oci_spec::runtime::Features = serde_json::from_str(&text).unwrap();
        assert_eq!(parsed.oci_version_max(), version::SPEC);
        assert_eq!(parsed.hooks().as_ref().map(Vec::len), Some(6));
        assert!(text.contains("\"rro\"") && text.contains("\"CAP_SYS_ADMIN\""));
    }

    #[test]
    fn capabilities_and_options_are_named_as_clients_look_for_them() {
        assert!(skiff_plan::capability_names().iter().all(|name| name.starts_with("CAP_")));
        assert!(skiff_plan::mount_option_names().is_sorted());
    }
}
