//! The version 1 cgroup mount, in and without a cgroup namespace.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::fixtures;
use crate::mounts;
use crate::plan::V1Dir;

const MOUNT: &str = r#""destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup""#;

fn resolved(options: &str, namespaces: &str, facts: &HostFacts, layout: &CgroupLayout) -> Mounts {
    let bundle = fixtures::bundle(&format!(
        r#"{{"mounts":[{{"destination":"/x","type":"tmpfs"}},{{{MOUNT},"options":[{options}]}}],"linux":{{"namespaces":[{namespaces}]}}}}"#
    ));
    let mut mounts = mounts::resolve(&bundle, facts, layout).unwrap();
    mounts.ops.remove(0);
    mounts
}

fn two() -> HostFacts {
    let hierarchy = |name: &str, controllers: &str| Hierarchy {
        mount: Path::new("/sys/fs/cgroup").join(name),
        controllers: controllers.to_owned(),
        own: "caller".into(),
    };
    let all = vec![hierarchy("cpu,cpuacct", "cpu,cpuacct"), hierarchy("systemd", "name=systemd"), hierarchy("unified", "")];
    HostFacts { cgroup: CgroupFacts::V1(all), ..fixtures::facts() }
}

fn tmpfs_of(propagation: Vec<u64>) -> InitOp {
    let new = NewFilesystem {
        fstype: c"tmpfs".to_owned(),
        source: c"tmpfs".to_owned(),
        flags: vec![],
        options: vec!["mode=755".into()],
        copy_up: false,
    };
    InitOp::Mount(Mount {
        index: 1,
        destination: "/sys/fs/cgroup".into(),
        no_symlinks: false,
        kind: MountKind::New(new),
        attr: AttrChange { set: 0xe, clear: 0 },
        recursive_attr: AttrChange::default(),
        propagation,
    })
}

fn symlink(name: &str) -> InitOp {
    InitOp::Symlink { target: c"cpu,cpuacct".to_owned(), path: Path::new("/sys/fs/cgroup").join(name), keep_existing: true }
}

#[test]
fn in_a_cgroup_namespace_hierarchies_are_mounted() {
    let mounts = resolved(r#""nosuid","relatime","ro","rslave""#, r#"{"type":"cgroup"}"#, &two(), &CgroupLayout::Disabled);
    let filesystem = |name: &str, source: &str, options: &[&str]| {
        let new = NewFilesystem {
            fstype: c"cgroup".to_owned(),
            source: CString::new(source).unwrap(),
            flags: vec!["ro"],
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            copy_up: false,
        };
        InitOp::Mount(Mount {
            index: 1,
            destination: Path::new("/sys/fs/cgroup").join(name),
            no_symlinks: false,
            kind: MountKind::New(new),
            attr: AttrChange { set: 0xf, clear: 0 },
            recursive_attr: AttrChange::default(),
            propagation: vec![],
        })
    };
    assert_eq!(
        mounts.ops,
        [
            tmpfs_of(vec![1 << 19 | 1 << 14]),
            filesystem("cpu,cpuacct", "cgroup", &["cpu", "cpuacct"]),
            symlink("cpu"),
            symlink("cpuacct"),
            filesystem("systemd", "systemd", &["name=systemd"]),
        ]
    );
    assert_eq!(mounts.readonly_later, [InitOp::ReadonlyMount("/sys/fs/cgroup".into())]);
}

#[test]
fn without_one_the_containers_own_directories_are_bound() {
    let dirs = vec![V1Dir { mount: "/sys/fs/cgroup/cpu,cpuacct".into(), controllers: "cpu,cpuacct".into(), path: "c1".into() }];
    for (layout, cpu) in
        [(CgroupLayout::V1(dirs), "/sys/fs/cgroup/cpu,cpuacct/c1"), (CgroupLayout::Disabled, "/sys/fs/cgroup/cpu,cpuacct/caller")]
    {
        for namespaces in ["", r#"{"type":"cgroup","path":"/proc/1/ns/cgroup"}"#] {
            let mounts = resolved(r#""nosuid","rro""#, namespaces, &two(), &layout);
            let bind = |name: &str, source: &str| {
                InitOp::Mount(Mount {
                    index: 1,
                    destination: Path::new("/sys/fs/cgroup").join(name),
                    no_symlinks: false,
                    kind: MountKind::Bind { source: source.into(), recursive: true },
                    attr: AttrChange { set: 0x2, clear: 0 },
                    recursive_attr: AttrChange { set: 0x1, clear: 0 },
                    propagation: vec![],
                })
            };
            assert_eq!(
                mounts.ops,
                [
                    tmpfs_of(vec![]),
                    bind("cpu,cpuacct", cpu),
                    symlink("cpu"),
                    symlink("cpuacct"),
                    bind("systemd", "/sys/fs/cgroup/systemd/caller"),
                ]
            );
            assert_eq!(mounts.readonly_later, [InitOp::ReadonlyMount("/sys/fs/cgroup".into())]);
        }
    }
}

#[test]
fn read_only_goes_to_the_binds_and_later_to_the_tmpfs() {
    let mounts = resolved(r#""ro""#, "", &two(), &CgroupLayout::Disabled);
    let InitOp::Mount(bind) = &mounts.ops[1] else { panic!() };
    assert_eq!(bind.attr, AttrChange { set: 1, clear: 0 });
    assert_eq!(mounts.readonly_later, [InitOp::ReadonlyMount("/sys/fs/cgroup".into())]);
}

#[test]
fn what_goes_nowhere_is_told_and_nothing_stays_writable_by_rro() {
    let mounts = resolved(r#""rro","size=1m""#, r#"{"type":"cgroup"}"#, &two(), &CgroupLayout::Disabled);
    assert_eq!(mounts.warnings, ["mounts[1].options: size=1m has no effect here and is ignored"]);
    let InitOp::Mount(cpu) = &mounts.ops[1] else { panic!() };
    assert_eq!(cpu.recursive_attr, AttrChange { set: 1, clear: 0 });
    assert_eq!(mounts.readonly_later, [InitOp::ReadonlyMount("/sys/fs/cgroup".into())]);
    let plain = resolved(r#""nosuid""#, r#"{"type":"cgroup"}"#, &two(), &CgroupLayout::Disabled);
    assert!(plain.readonly_later.is_empty() && plain.warnings.is_empty());
}

#[test]
fn a_host_without_cgroups_has_an_empty_directory() {
    let none = HostFacts { cgroup: CgroupFacts::None, ..fixtures::facts() };
    assert_eq!(resolved("", r#"{"type":"cgroup"}"#, &none, &CgroupLayout::Disabled).ops, [tmpfs_of(vec![])]);
}

#[test]
fn type_cgroup2_is_itself_everywhere() {
    for facts in [two(), fixtures::facts()] {
        let bundle = fixtures::bundle(r#"{"mounts":[{"destination":"/c","type":"cgroup2","source":"c"}]}"#);
        let mounts = mounts::resolve(&bundle, &facts, &CgroupLayout::Disabled).unwrap();
        let [InitOp::Mount(mount)] = &mounts.ops[..] else { panic!() };
        assert!(matches!(&mount.kind, MountKind::New(new) if new.fstype.as_c_str() == c"cgroup2"));
    }
}
