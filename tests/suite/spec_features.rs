//! `spec`, `features`, `--version` and the help: what needs no container.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::common::{Test, binary};

host_only!(spec_is_the_known_default, |t: &mut Test| {
    let dir = t.dir().join("fresh");
    fs::create_dir(&dir).unwrap();
    t.call(&["spec", "--bundle", dir.to_str().unwrap()]).ok();
    let text = fs::read_to_string(dir.join("config.json")).unwrap();
    assert!(text.starts_with("{\n\t\"ociVersion\": "), "not indented by tabs: {}", &text[..40]);
    let spec: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(spec["process"]["args"][0], "sh");
    assert_eq!(spec["process"]["terminal"], true);
    assert_eq!(spec["process"]["noNewPrivileges"], true);
    assert_eq!(spec["root"]["path"], "rootfs");
    assert_eq!(spec["root"]["readonly"], true);
    assert_eq!(spec["process"]["capabilities"]["bounding"].as_array().unwrap().len(), 3);
    assert_eq!(spec["process"]["rlimits"][0]["type"], "RLIMIT_NOFILE");
    let kinds: Vec<&str> =
        spec["linux"]["namespaces"].as_array().unwrap().iter().map(|ns| ns["type"].as_str().unwrap()).collect();
    for kind in ["pid", "network", "ipc", "uts", "mount"] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    assert_eq!(spec["linux"]["resources"]["devices"][0]["allow"], false);
});

host_only!(spec_does_not_overwrite, |t: &mut Test| {
    t.write_spec = false;
    fs::write(t.bundle().join("config.json"), "mine").unwrap();
    t.call(&["spec"]).fails_with(&["config.json"]);
    assert_eq!(fs::read_to_string(t.bundle().join("config.json")).unwrap(), "mine");
});

host_only!(the_default_runs_as_it_is, |t: &mut Test| {
    assert_eq!(t.run_sh("hostname; id -u"), format!("{}\n0\n", t.spec["hostname"].as_str().unwrap()));
});

host_only!(features_are_those_that_work, |t: &mut Test| {
    let features: Value = serde_json::from_str(t.call(&["features"]).ok()).unwrap();
    assert_eq!(features["ociVersionMin"], "1.0.0");
    assert!(features["ociVersionMax"].as_str().unwrap().starts_with("1."));
    let options = strings(&features["mountOptions"]);
    let mut sorted = options.clone();
    sorted.sort_unstable();
    assert_eq!(options, sorted);
    for option in ["bind", "rbind", "ro", "nosuid", "noexec", "tmpcopyup", "rslave", "remount"] {
        assert!(options.contains(&option), "{option} in {options:?}");
    }
    let namespaces = strings(&features["linux"]["namespaces"]);
    for namespace in ["cgroup", "ipc", "mount", "network", "pid", "uts"] {
        assert!(namespaces.contains(&namespace), "{namespaces:?}");
    }
    assert!(strings(&features["linux"]["capabilities"]).contains(&"CAP_SYS_ADMIN"));
    assert_eq!(features["linux"]["cgroup"]["v1"], true);
    assert_eq!(features["linux"]["cgroup"]["v2"], true);
});

host_only!(features_claims_nothing_that_is_not_there, |t: &mut Test| {
    skiff_only!(t, "it has more");
    let features: Value = serde_json::from_str(t.call(&["features"]).ok()).unwrap();
    assert!(strings(&features["mountOptions"]).contains(&"rro"));
    assert!(!strings(&features["mountOptions"]).iter().any(|option| option.ends_with("idmap")));
    for present in ["systemd", "systemdUser", "rdma"] {
        assert_eq!(features["linux"]["cgroup"][present], true, "{present}");
    }
    let unsafe_ones = strings(&features["potentiallyUnsafeConfigAnnotations"]);
    for annotation in ["run.oci.handler", "module.wasm.image/variant", "org.systemd.property."] {
        assert!(unsafe_ones.contains(&annotation), "{annotation} in {unsafe_ones:?}");
    }
    for absent in ["apparmor", "selinux", "intelRdt", "netDevices"] {
        assert_ne!(features["linux"][absent]["enabled"], true, "{absent}");
    }
    assert_ne!(features["linux"]["mountExtensions"]["idmap"]["enabled"], true);
});

fn strings(list: &Value) -> Vec<&str> {
    list.as_array().map(|list| list.iter().map(|item| item.as_str().unwrap()).collect()).unwrap_or_default()
}

host_only!(version, |t: &mut Test| {
    for option in ["--version", "-v"] {
        let out = t.call(&[option]);
        assert!(out.ok().lines().next().unwrap().contains(" version "), "{out:?}");
        assert!(out.stdout.lines().any(|line| line.starts_with("spec: 1.")), "{out:?}");
    }
});

host_only!(help, |t: &mut Test| {
    for args in [&["--help"][..], &["-h"], &["create", "--help"], &["run", "-h"]] {
        assert!(t.call(args).ok().to_lowercase().contains("usage"), "{args:?}");
    }
});

host_only!(help_needs_no_root, |_t: &mut Test| {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(binary()).arg("--version");
    let out = command.output().expect("run setpriv");
    if is_hidden() {
        return;
    }
    assert!(out.status.success(), "{out:?}");
});

/// True if an unprivileged user cannot reach the binary at all (a target directory below /root).
fn is_hidden() -> bool {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "test", "-x"]).arg(binary());
    !command.status().expect("run setpriv").success()
}
