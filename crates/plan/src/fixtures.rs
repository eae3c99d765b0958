//! What the tests of this crate share: hosts, and bundles from `tests/fixtures`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};

use crate::{Bundle, CgroupFacts, CgroupManager, Hierarchy, HostFacts, Options, Settings};

/// A unified host where the runtime has every capability.
pub(crate) fn facts() -> HostFacts {
    let controllers = ["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma"].map(str::to_owned).to_vec();
    let cgroup = CgroupFacts::V2 { mount: "/sys/fs/cgroup".into(), controllers, own: "user.slice".into() };
    HostFacts {
        euid: 0,
        outer_uid: 0,
        ids: Some((0, 0)),
        groups: Vec::new(),
        bounding: (1 << 41) - 1,
        permitted: (1 << 41) - 1,
        ignored_signals: 0,
        seccomp_flags: 0,
        cgroup,
    }
}

/// A hybrid host; `cpu` and `cpuacct` are mounted together.
pub(crate) fn hybrid() -> HostFacts {
    let hierarchy = |name: &str, controllers: &str| Hierarchy {
        mount: Path::new("/sys/fs/cgroup").join(name),
        controllers: controllers.to_owned(),
        own: "caller".into(),
    };
    let mut hierarchies: Vec<Hierarchy> =
        ["memory", "cpu,cpuacct", "cpuset", "devices", "pids", "freezer", "blkio", "hugetlb", "net_cls,net_prio", "perf_event"]
            .iter()
            .map(|name| hierarchy(name, name))
            .collect();
    hierarchies.push(hierarchy("systemd", "name=systemd"));
    hierarchies.push(hierarchy("unified", ""));
    HostFacts { cgroup: CgroupFacts::V1(hierarchies), ..facts() }
}

/// A container called `c1`, by the cgroupfs driver.
pub(crate) fn options() -> Options {
    Options {
        id: "c1".to_owned(),
        cgroup_manager: CgroupManager::Cgroupfs,
        no_pivot: false,
        called_wasm: false,
        settings: Settings::default(),
    }
}

/// `json` as a bundle at `/bundle`; a missing root filesystem is no matter.
pub(crate) fn bundle(json: &str) -> Bundle {
    let mut bundle = Bundle::parse("/bundle".into(), Path::new("/bundle/config.json"), json.as_bytes()).unwrap();
    if let Some(root) = bundle.spec.root() {
        bundle.rootfs = bundle.path.join(root.path());
    }
    bundle
}

/// The directory of configurations that real clients wrote.
pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

/// One of them, by its file name.
pub(crate) fn config(name: &str) -> String {
    std::fs::read_to_string(directory().join(name)).unwrap()
}

/// Numbers that look random and are the same in every run (xorshift).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// From 0 to `bound`, without it.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    /// One of them.
    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}
