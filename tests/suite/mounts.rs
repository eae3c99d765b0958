//! `mounts`: every type and option, as mountinfo shows them inside.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use nix::mount::MsFlags;
use serde_json::json;

use crate::common::{HostMount, MountLine, Test, mount_at};

#[track_caller]
fn assert_has(mount: &MountLine, names: &[&str]) {
    for name in names {
        assert!(mount.has(name), "no {name} in {mount:?}");
    }
}

both!(the_defaults, |t: &mut Test| {
    let mounts = t.mounts_inside();
    assert_eq!(mount_at(&mounts, "/proc").fstype, "proc");
    let dev = mount_at(&mounts, "/dev");
    assert_eq!((dev.fstype.as_str(), dev.is_readonly()), ("tmpfs", false));
    assert_has(dev, &["nosuid", "size=65536k", "mode=755"]);
    assert_has(mount_at(&mounts, "/dev/pts"), &["nosuid", "noexec", "gid=5", "mode=620", "ptmxmode=666"]);
    assert_eq!(mount_at(&mounts, "/dev/pts").fstype, "devpts");
    assert_has(mount_at(&mounts, "/dev/shm"), &["nosuid", "nodev", "noexec", "size=65536k"]);
    assert_eq!(mount_at(&mounts, "/dev/shm").source, "shm");
    assert_eq!(mount_at(&mounts, "/dev/mqueue").fstype, "mqueue");
    let sys = mount_at(&mounts, "/sys");
    assert_eq!((sys.fstype.as_str(), sys.is_readonly()), ("sysfs", true));
    assert_has(sys, &["nosuid", "nodev", "noexec"]);
});

both!(the_host_cannot_be_seen, |t: &mut Test| {
    let needle = t.dir().display().to_string();
    let mounts = t.mounts_inside();
    assert_eq!(mounts[0].at, "/");
    for mount in &mounts {
        assert!(!mount.at.contains(&needle) && !mount.at.starts_with("/work"), "{mount:?}");
    }
    assert_eq!(t.run_sh("ls -a / | sort | tr '\\n' ' '"), ". .. bin dev etc home proc root sys tmp ");
});

both!(tmpfs_with_size_and_mode, |t: &mut Test| {
    t.mount("/tmp", "tmpfs", "scratch", &["nosuid", "noexec", "size=1m", "mode=1737", "uid=12", "gid=34"]);
    let mounts = t.mounts_inside();
    assert_has(mount_at(&mounts, "/tmp"), &["nosuid", "noexec", "size=1024k", "mode=1737", "uid=12", "gid=34"]);
    assert_eq!(mount_at(&mounts, "/tmp").source, "scratch");
    skiff_only!(t, "runc 1.1.5 gives it the mode of the directory below");
    let full = t.run_sh("stat -c '%a %u %g' /tmp; dd if=/dev/zero of=/tmp/f bs=1k count=2000 2>/dev/null; stat -c %s /tmp/f");
    assert_eq!(full, "1737 12 34\n1048576\n");
});

both!(tmpfs_keeps_the_directorys_mode, |t: &mut Test| {
    fs::set_permissions(t.rootfs().join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    t.mount("/tmp", "tmpfs", "tmpfs", &[]);
    assert_eq!(t.run_sh("stat -c %a /tmp"), "1777\n");
});

both!(readonly_tmpfs, |t: &mut Test| {
    t.mount("/tmp", "tmpfs", "tmpfs", &["ro"]);
    assert!(mount_at(&t.mounts_inside(), "/tmp").is_readonly());
    assert_eq!(t.run_sh("touch /tmp/x 2>&1; true"), "touch: /tmp/x: Read-only file system\n");
});

both!(tmpcopyup, |t: &mut Test| {
    t.file("/data/a", "one", 0o640);
    t.file("/data/sub/b", "two", 0o600);
    symlink("a", t.rootfs().join("data/link")).unwrap();
    t.mount("/data", "tmpfs", "tmpfs", &["tmpcopyup"]);
    let seen =
        t.run_sh("cat /data/a /data/sub/b; readlink /data/link; stat -c %a /data/a; touch /data/new && ls /data | tr '\\n' ' '");
    assert_eq!(seen, "onetwoa\n640\na link new sub ");
    assert!(!t.rootfs().join("data/new").exists());
});

both!(bind_of_a_directory, |t: &mut Test| {
    let source = t.dir().join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "on the host").unwrap();
    t.bind(&source, "/mnt/deep/dir", &["bind"]);
    assert_eq!(t.run_sh("cat /mnt/deep/dir/file; echo inside > /mnt/deep/dir/new"), "on the host");
    assert_eq!(fs::read_to_string(source.join("new")).unwrap(), "inside\n");
});

both!(bind_of_a_file, |t: &mut Test| {
    let source = t.dir().join("source");
    fs::write(&source, "on the host").unwrap();
    t.bind(&source, "/etc/resolv.conf", &["rbind", "ro"]);
    t.bind(&source, "/mnt/made/for/it", &["bind", "ro"]);
    assert!(mount_at(&t.mounts_inside(), "/etc/resolv.conf").is_readonly());
    let seen = t.run_sh("cat /etc/resolv.conf /mnt/made/for/it; (echo no > /etc/resolv.conf) 2>/dev/null; true");
    assert_eq!(seen, "on the hoston the host");
});

both!(bind_by_option_alone, |t: &mut Test| {
    let source = t.dir().join("source");
    fs::create_dir(&source).unwrap();
    let source = source.to_str().unwrap().to_string();
    t.mount("/mnt", "none", &source, &["rbind", "rw"]);
    t.spec["mounts"].as_array_mut().unwrap().push(json!({"destination": "/mnt2", "source": source, "options": ["bind"]}));
    assert_eq!(t.run_sh("touch /mnt/x && ls /mnt2"), "x\n");
});

both!(bind_of_a_relative_source, |t: &mut Test| {
    fs::create_dir(t.bundle().join("data")).unwrap();
    fs::write(t.bundle().join("data/file"), "below the bundle").unwrap();
    t.mount("/mnt", "bind", "data", &["bind"]);
    assert_eq!(t.run_sh("cat /mnt/file"), "below the bundle");
});

both!(bind_and_rbind, |t: &mut Test| {
    let source = t.dir().join("source");
    let _mount = HostMount::tmpfs(&source.join("sub"), MsFlags::MS_PRIVATE);
    fs::write(source.join("sub/file"), "deep").unwrap();
    t.bind(&source, "/mnt/alone", &["bind"]).bind(&source, "/mnt/tree", &["rbind"]);
    assert_eq!(t.run_sh("ls /mnt/alone/sub; cat /mnt/tree/sub/file"), "deep");
});

both!(flags_of_a_bind, |t: &mut Test| {
    let source = t.dir().join("source");
    fs::create_dir(&source).unwrap();
    t.bind(&source, "/mnt", &["bind", "nosuid", "nodev", "noexec", "noatime"]);
    assert_has(mount_at(&t.mounts_inside(), "/mnt"), &["nosuid", "nodev", "noexec", "noatime", "rw"]);
});

both!(later_options_win, |t: &mut Test| {
    t.mount("/mnt/a", "tmpfs", "tmpfs", &["ro", "rw", "noexec", "exec"]);
    t.mount("/mnt/b", "tmpfs", "tmpfs", &["rw", "ro", "suid", "nosuid"]);
    let mounts = t.mounts_inside();
    let (a, b) = (mount_at(&mounts, "/mnt/a"), mount_at(&mounts, "/mnt/b"));
    assert!(!a.is_readonly() && !a.has("noexec"), "{a:?}");
    assert!(b.is_readonly() && b.has("nosuid"), "{b:?}");
});

both!(access_times, |t: &mut Test| {
    t.mount("/mnt/n", "tmpfs", "tmpfs", &["noatime"]);
    t.mount("/mnt/r", "tmpfs", "tmpfs", &["relatime", "nodiratime"]);
    t.mount("/mnt/s", "tmpfs", "tmpfs", &["strictatime"]);
    let mounts = t.mounts_inside();
    assert_has(mount_at(&mounts, "/mnt/n"), &["noatime"]);
    assert_has(mount_at(&mounts, "/mnt/r"), &["relatime", "nodiratime"]);
    let strict = mount_at(&mounts, "/mnt/s");
    assert!(!strict.has("relatime") && !strict.has("noatime"), "{strict:?}");
});

both!(readonly_of_a_bind_does_not_reach_below, |t: &mut Test| {
    let source = t.dir().join("source");
    let _mount = HostMount::tmpfs(&source.join("sub"), MsFlags::MS_PRIVATE);
    t.bind(&source, "/mnt", &["rbind", "ro"]);
    let mounts = t.mounts_inside();
    assert!(mount_at(&mounts, "/mnt").is_readonly());
    assert!(!mount_at(&mounts, "/mnt/sub").is_readonly());
});

both!(recursive_options_reach_below, |t: &mut Test| {
    skiff_only!(t, "runc 1.1.5 does not know them");
    let source = t.dir().join("source");
    let _mount = HostMount::tmpfs(&source.join("sub"), MsFlags::MS_PRIVATE);
    t.bind(&source, "/mnt", &["rbind", "rro", "rnosuid", "rnodev", "rnoexec", "rnoatime"]);
    let mounts = t.mounts_inside();
    for at in ["/mnt", "/mnt/sub"] {
        assert_has(mount_at(&mounts, at), &["nosuid", "nodev", "noexec", "noatime"]);
        assert!(mount_at(&mounts, at).is_readonly(), "{at}");
    }
    // The host's own mount keeps its flags.
    fs::write(source.join("sub/still-writable"), "").unwrap();
});

both!(propagation, |t: &mut Test| {
    let source = t.dir().join("source");
    let _mount = HostMount::tmpfs(&source, MsFlags::MS_SHARED);
    for option in ["rslave", "rshared", "rprivate", "slave", "shared", "private", "unbindable"] {
        t.bind(&source, &format!("/mnt/{option}"), &["rbind", option]);
    }
    let mounts = t.mounts_inside();
    for (option, shared, master) in
        [("rslave", false, true), ("slave", false, true), ("rprivate", false, false), ("private", false, false)]
    {
        let mount = mount_at(&mounts, &format!("/mnt/{option}"));
        assert_eq!((mount.propagates("shared:"), mount.propagates("master:")), (shared, master), "{mount:?}");
    }
    for (option, field) in [("rshared", "shared:"), ("shared", "shared:"), ("unbindable", "unbindable")] {
        let mount = mount_at(&mounts, &format!("/mnt/{option}"));
        assert!(mount.propagates(field), "{mount:?}");
    }
});

both!(a_mount_of_the_host_reaches_a_slave, |t: &mut Test| {
    let source = t.dir().join("source");
    let _mount = HostMount::tmpfs(&source, MsFlags::MS_SHARED);
    t.bind(&source, "/mnt", &["rbind", "rslave"]);
    t.sh("echo ready; while ! test -e /mnt/late/file; do sleep 0.01; done; echo seen");
    let out = t.create();
    t.start();
    out.wait_for("ready");
    let _late = HostMount::tmpfs(&source.join("late"), MsFlags::MS_SHARED);
    fs::write(source.join("late/file"), "").unwrap();
    out.wait_for("seen");
    t.call(&["delete", "--force", &t.id]).ok();
});

both!(rootfs_propagation, |t: &mut Test| {
    let skiff = crate::common::is_skiff();
    for (value, shared) in
        [("rprivate", false), ("private", false), ("rslave", false), ("slave", false), ("rshared", skiff), ("shared", skiff)]
    {
        t.spec["linux"]["rootfsPropagation"] = json!(value);
        let mounts = t.mounts_inside();
        assert_eq!(mounts[0].propagates("shared:"), shared, "{value}: {:?}", mounts[0]);
    }
});

both!(overlay, |t: &mut Test| {
    for dir in ["lower", "upper", "work"] {
        fs::create_dir(t.dir().join(dir)).unwrap();
    }
    fs::write(t.dir().join("lower/file"), "below").unwrap();
    let options: Vec<String> =
        ["lower", "upper", "work"].iter().map(|dir| format!("{dir}dir={}", t.dir().join(dir).display())).collect();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    t.mount("/mnt", "overlay", "overlay", &options);
    assert_eq!(t.run_sh("cat /mnt/file; echo changed > /mnt/file"), "below");
    assert_eq!(fs::read_to_string(t.dir().join("upper/file")).unwrap(), "changed\n");
});

both!(cgroup_mount, |t: &mut Test| {
    t.remount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]);
    t.without_namespace("cgroup").with_namespace("cgroup");
    let mounts = t.mounts_inside();
    let cgroups: Vec<&MountLine> = mounts.iter().filter(|mount| mount.fstype.starts_with("cgroup")).collect();
    assert!(cgroups.iter().all(|mount| mount.is_readonly()), "{cgroups:#?}");
    if t.mode.is_v2() {
        assert_eq!((cgroups.len(), cgroups[0].fstype.as_str(), cgroups[0].root.as_str()), (1, "cgroup2", "/"));
    } else {
        assert!(cgroups.iter().any(|mount| mount.at == "/sys/fs/cgroup/memory" && mount.root == "/"), "{cgroups:#?}");
        assert!(cgroups.iter().any(|mount| mount.at == "/sys/fs/cgroup/pids" && mount.has("pids")), "{cgroups:#?}");
    }
});

both!(cgroup_mount_without_a_namespace, |t: &mut Test| {
    t.without_namespace("cgroup");
    t.remount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]);
    let mounts = t.mounts_inside();
    let at = if t.mode.is_v2() { "/sys/fs/cgroup" } else { "/sys/fs/cgroup/pids" };
    let mount = mount_at(&mounts, at);
    assert!(mount.is_readonly(), "{mount:?}");
    if !t.mode.is_v2() {
        assert!(mount.root.contains(&t.id), "{mount:?}");
    }
});

both!(mqueue_is_the_containers, |t: &mut Test| {
    t.sh("ls /dev/mqueue | wc -l; touch /dev/mqueue/q && ls /dev/mqueue");
    assert_eq!(t.run().ok(), "0\nq\n");
});

both!(devpts_is_the_containers, |t: &mut Test| {
    assert_eq!(t.run_sh("ls /dev/pts; readlink /dev/ptmx"), "ptmx\npts/ptmx\n");
});

both!(proc_is_the_containers, |t: &mut Test| {
    assert_eq!(t.run_sh("echo $$; ls -d /proc/[0-9]* | head -n 1; cat /proc/1/comm; true"), "1\n/proc/1\nsh\n");
});

both!(a_missing_source_of_a_new_filesystem_is_fine, |t: &mut Test| {
    t.spec["mounts"].as_array_mut().unwrap().push(json!({"destination": "/mnt", "type": "tmpfs"}));
    assert_eq!(mount_at(&t.mounts_inside(), "/mnt").fstype, "tmpfs");
});

both!(a_relative_destination_is_below_the_root, |t: &mut Test| {
    t.mount("mnt/x", "tmpfs", "tmpfs", &[]);
    t.args(&["/bin/cat", "/proc/self/mountinfo"]);
    let out = t.run();
    assert!(out.code == 0 && out.stdout.contains(" /mnt/x "), "{out:?}");
});

both!(a_remount_changes_flags, |t: &mut Test| {
    t.mount("/mnt", "tmpfs", "tmpfs", &["rw"]);
    t.mount("/mnt", "tmpfs", "tmpfs", &["remount", "ro", "nosuid"]);
    let mounts = t.mounts_inside();
    assert!(mount_at(&mounts, "/mnt").has("ro"), "{mounts:?}");
});

both!(a_destination_behind_a_link_stays_inside, |t: &mut Test| {
    let outside = t.dir().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, t.rootfs().join("escape")).unwrap();
    symlink("../../../../../../../../../../tmp", t.rootfs().join("up")).unwrap();
    t.writable();
    t.mount("/escape/made", "tmpfs", "tmpfs", &[]).mount("/up/made", "tmpfs", "tmpfs", &[]);
    let mounts = t.mounts_inside();
    assert!(fs::read_dir(&outside).unwrap().next().is_none(), "made something on the host");
    assert_eq!(mount_at(&mounts, "/tmp/made").fstype, "tmpfs");
    assert!(mounts.iter().any(|mount| mount.at.ends_with("/outside/made")), "{mounts:#?}");
});

both!(many_mounts, |t: &mut Test| {
    for number in 0..100 {
        t.mount(&format!("/mnt/{number}"), "tmpfs", "tmpfs", &["size=4k"]);
    }
    assert_eq!(t.mounts_inside().iter().filter(|mount| mount.at.starts_with("/mnt/")).count(), 100);
    t.assert_nothing_left();
});

both!(a_long_option_string, |t: &mut Test| {
    // fsconfig(2) takes 255 bytes a value, mount(2) a page in all.
    let layers: Vec<String> = (0..20).map(|number| t.dir().join(format!("layer{number}")).display().to_string()).collect();
    for layer in &layers {
        fs::create_dir(layer).unwrap();
    }
    fs::write(t.dir().join("layer19/file"), "lowest").unwrap();
    let lower = format!("lowerdir={}", layers.join(":"));
    assert!(lower.len() > 256);
    t.mount("/mnt", "overlay", "overlay", &[&lower]);
    assert_eq!(t.run_sh("cat /mnt/file"), "lowest");
});
