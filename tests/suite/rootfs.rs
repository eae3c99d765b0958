//! The root: read-only, masked and read-only paths, devices and links, the device filter.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::common::{Test, mount_at};

both!(readonly_root, |t: &mut Test| {
    assert_eq!(t.run_sh("touch /x 2>&1; true"), "touch: /x: Read-only file system\n");
    assert!(t.mounts_inside()[0].is_readonly());
    assert!(!t.rootfs().join("x").exists());
});

both!(writable_root, |t: &mut Test| {
    t.writable();
    assert_eq!(t.run_sh("touch /x && echo done"), "done\n");
    assert!(t.rootfs().join("x").exists());
});

both!(absolute_root_path, |t: &mut Test| {
    let other = t.dir().join("other");
    fs::rename(t.rootfs(), &other).unwrap();
    t.spec["root"]["path"] = json!(other.to_str().unwrap());
    t.create();
    assert_eq!(t.state()["rootfs"], other.to_str().unwrap());
});

both!(masked_file_and_directory, |t: &mut Test| {
    t.file("/secret/file", "secret", 0o644);
    t.file("/secret-file", "secret", 0o644);
    t.spec["linux"]["maskedPaths"] = json!(["/secret", "/secret-file", "/nowhere", "/proc/nowhere"]);
    assert_eq!(t.run_sh("ls /secret; cat /secret-file; touch /secret/x 2>&1; true"), "touch: /secret/x: Read-only file system\n");
});

both!(masked_paths_of_the_default, |t: &mut Test| {
    let seen = t.run_sh("cat /proc/keys /proc/timer_list; ls /proc/acpi /sys/firmware 2>/dev/null | grep -v :; true");
    assert_eq!(seen.trim(), "");
});

both!(readonly_paths, |t: &mut Test| {
    t.writable();
    t.file("/frozen/file", "x", 0o644);
    t.file("/frozen-file", "x", 0o644);
    t.spec["linux"]["readonlyPaths"] = json!(["/frozen", "/frozen-file", "/nowhere", "/proc/sys"]);
    let script = "for f in /frozen/new /frozen/file /frozen-file /proc/sys/kernel/msgmax; do \
                  (echo 1 > $f) 2>/dev/null && echo wrote $f; done; touch /free && echo free; cat /frozen/file";
    assert_eq!(t.run_sh(script), "free\nx");
    let mounts = t.mounts_inside();
    assert!(mount_at(&mounts, "/frozen").is_readonly() && mount_at(&mounts, "/frozen-file").is_readonly());
    assert!(mount_at(&mounts, "/proc/sys").is_readonly());
});

both!(readonly_paths_keep_the_mounts_flags, |t: &mut Test| {
    t.mount("/data", "tmpfs", "tmpfs", &["nosuid", "nodev", "noexec"]);
    t.mount("/data/sub", "tmpfs", "tmpfs", &["nosuid", "nodev", "noexec"]);
    t.spec["linux"]["readonlyPaths"] = json!(["/data/sub"]);
    let mounts = t.mounts_inside();
    let sub = mount_at(&mounts, "/data/sub");
    assert!(sub.is_readonly() && sub.has("nosuid") && sub.has("nodev") && sub.has("noexec"), "{sub:?}");
});

both!(default_devices, |t: &mut Test| {
    let script = "for d in null zero full random urandom tty; do stat -c '%F %t:%T %a %u:%g %n' /dev/$d; done";
    let expected = "character special file 1:3 666 0:0 /dev/null\n\
                    character special file 1:5 666 0:0 /dev/zero\n\
                    character special file 1:7 666 0:0 /dev/full\n\
                    character special file 1:8 666 0:0 /dev/random\n\
                    character special file 1:9 666 0:0 /dev/urandom\n\
                    character special file 5:0 666 0:0 /dev/tty\n";
    assert_eq!(t.run_sh(script), expected);
});

both!(default_devices_work, |t: &mut Test| {
    let script = "echo x > /dev/null && head -c 4 /dev/zero | wc -c && head -c 4 /dev/urandom | wc -c; (echo x > /dev/full) 2>/dev/null || echo full";
    assert_eq!(t.run_sh(script), "4\n4\nfull\n");
});

both!(default_links, |t: &mut Test| {
    let script = "for l in fd stdin stdout stderr ptmx; do echo $l $(readlink /dev/$l); done; echo through >> /dev/stdout";
    let expected =
        "fd /proc/self/fd\nstdin /proc/self/fd/0\nstdout /proc/self/fd/1\nstderr /proc/self/fd/2\nptmx pts/ptmx\nthrough\n";
    assert_eq!(t.run_sh(script), expected);
});

both!(listed_devices, |t: &mut Test| {
    t.spec["linux"]["devices"] = json!([
        {"path": "/dev/kmsg2", "type": "c", "major": 1, "minor": 11, "fileMode": 0o640, "uid": 12, "gid": 34},
        {"path": "/dev/deep/loop", "type": "b", "major": 7, "minor": 3, "fileMode": 0o600},
        {"path": "/dev/pipe", "type": "p", "fileMode": 0o622},
        {"path": "/dev/unbuffered", "type": "u", "major": 1, "minor": 3, "fileMode": 0o666}
    ]);
    let script = "stat -c '%F %t:%T %a %u:%g' /dev/kmsg2 /dev/deep/loop /dev/pipe /dev/unbuffered";
    let expected = "character special file 1:b 640 12:34\nblock special file 7:3 600 0:0\nfifo 0:0 622 0:0\ncharacter special file 1:3 666 0:0\n";
    assert_eq!(t.run_sh(script), expected);
});

both!(a_listed_default_device_is_taken_from_the_list, |t: &mut Test| {
    t.spec["linux"]["devices"] =
        json!([{"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o644, "uid": 0, "gid": 5}]);
    let rules = t.spec["linux"]["resources"]["devices"].as_array_mut().unwrap();
    rules.push(json!({"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"}));
    assert_eq!(t.run_sh("stat -c '%t:%T %a %g' /dev/null"), "1:3 644 5\n");
});

fn device_script() -> &'static str {
    "mknod /tmp/kmsg c 1 11 && dd if=/tmp/kmsg of=/dev/null bs=1 count=0 2>&1 | grep -o 'Operation not permitted'; \
     test -e /tmp/kmsg && echo made; head -c 1 /dev/zero | wc -c"
}

// The default rules let a container make any node and open only the listed ones.
both!(an_unlisted_device_cannot_be_opened, |t: &mut Test| {
    t.capabilities(&["CAP_MKNOD"]).mount("/tmp", "tmpfs", "tmpfs", &["dev"]);
    assert_eq!(t.run_sh(device_script()), "Operation not permitted\nmade\n1\n");
});

both!(an_allowed_device_can_be_opened, |t: &mut Test| {
    t.capabilities(&["CAP_MKNOD", "CAP_SYSLOG"]).mount("/tmp", "tmpfs", "tmpfs", &["dev"]);
    let rules = t.spec["linux"]["resources"]["devices"].as_array_mut().unwrap();
    rules.push(json!({"allow": true, "type": "c", "major": 1, "minor": 11, "access": "r"}));
    assert_eq!(t.run_sh(device_script()), "made\n1\n");
    // Only reading is allowed.
    t.sh("mknod /tmp/kmsg c 1 11; (echo x > /tmp/kmsg) 2>&1 | grep -o 'Operation not permitted'");
    assert_eq!(t.run().stdout, "Operation not permitted\n");
});

both!(later_device_rules_win, |t: &mut Test| {
    t.capabilities(&["CAP_MKNOD", "CAP_SYSLOG"]).mount("/tmp", "tmpfs", "tmpfs", &["dev"]);
    t.spec["linux"]["resources"]["devices"] = json!([
        {"allow": false, "access": "rwm"},
        {"allow": true, "type": "c", "major": 1, "access": "rwm"},
        {"allow": false, "type": "c", "major": 1, "minor": 11, "access": "rw"}
    ]);
    t.sh(device_script());
    let out = t.run();
    // Version 1 cannot take a part out of a wildcard: then it is refused, and never let through.
    match out.code {
        0 => assert_eq!(out.stdout, "Operation not permitted\nmade\n1\n"),
        _ => assert!(out.stderr.contains("devices"), "{out:?}"),
    }
    assert!(out.code == 0 || !t.mode.is_v2() || !crate::common::is_skiff(), "{out:?}");
});

both!(every_device_when_all_are_allowed, |t: &mut Test| {
    t.capabilities(&["CAP_MKNOD", "CAP_SYSLOG"]).mount("/tmp", "tmpfs", "tmpfs", &["dev"]);
    t.spec["linux"]["resources"]["devices"] = json!([{"allow": true, "access": "rwm"}]);
    assert_eq!(t.run_sh(device_script()), "made\n1\n");
});

both!(a_link_in_dev_of_the_image_is_left_alone, |t: &mut Test| {
    // No /dev mount: the image's own directory is used, and its links must not lead out.
    t.writable();
    let outside = t.dir().join("outside");
    fs::create_dir(&outside).unwrap();
    t.spec["mounts"].as_array_mut().unwrap().retain(|mount| !mount["destination"].as_str().unwrap().starts_with("/dev"));
    symlink(outside.join("null"), t.rootfs().join("dev/null")).unwrap();
    let _ = t.run();
    assert!(fs::read_dir(&outside).unwrap().next().is_none(), "made something on the host");
});
