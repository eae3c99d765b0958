//! The differences that are meant, each with its reason. One that no case needs any more fails the test.

/// Lines that may be only on one side.
pub struct Allowed {
    /// The case, or `*`.
    pub case: &'static str,
    /// How the line starts.
    pub starts: &'static str,
    /// What else it holds.
    pub holds: &'static str,
    /// Why skiff does not do as libcontainer.
    pub reason: &'static str,
}

const fn allowed(case: &'static str, starts: &'static str, holds: &'static str, reason: &'static str) -> Allowed {
    Allowed { case, starts, holds, reason }
}

const READONLY: &str =
    "libcontainer adds nosuid, nodev and noexec to a read-only path; skiff keeps the options of the mount below it";
const MASKED_DIRECTORY: &str =
    "skiff hides a directory behind one shared empty tmpfs, read-only by its mount and with nosuid, nodev, noexec";
const MASKED_FILE: &str = "skiff hides a file behind the host's /dev/null, which no image can have replaced (CVE-2025-31133)";
const TMPFS_MODE: &str =
    "a tmpfs without `mode` takes that of the directory it covers, as with runc; libcontainer leaves the kernel's 1777";
const HIERARCHIES: &str = "libcontainer makes no cgroup in hierarchies without a controller: kill and ps could not rely on them";

/// All of them.
pub const ALLOWED: [Allowed; 31] = [
    allowed("*", "loopback: 0x", "", "libcontainer leaves lo of a new network namespace down; skiff brings it up, as runc does"),
    allowed("*", "status: SigIgn:", "", "libcontainer hands its own ignored SIGPIPE on"),
    allowed("user", "stdio: ", "", "libcontainer leaves stdio to its owner, so that /dev/stdout fails for non-root images"),
    allowed(
        "*",
        "mounts: ",
        "/sys/fs/cgroup",
        "libcontainer drops `ro` from the version 1 hierarchies and mounts them in another order",
    ),
    allowed(
        "*",
        "mounts: ",
        " / /sys ro,",
        "the superblock of sysfs is read-only too, as asked; libcontainer changes the mount only",
    ),
    allowed("*", "mounts: ", " /proc/bus ro,", READONLY),
    allowed("*", "mounts: ", " /proc/fs ro,", READONLY),
    allowed("*", "mounts: ", " /proc/irq ro,", READONLY),
    allowed("*", "mounts: ", " /proc/sys ro,", READONLY),
    allowed("read-only", "mounts: ", " /data/out ro,", READONLY),
    allowed("*", "mounts: ", " / /proc/acpi ro,", MASKED_DIRECTORY),
    allowed("*", "mounts: ", " / /sys/firmware ro,", MASKED_DIRECTORY),
    allowed("read-only", "mounts: ", " / /data/in/sub ro,", MASKED_DIRECTORY),
    allowed("*", "mounts: ", "/null /proc/keys rw,", MASKED_FILE),
    allowed("*", "mounts: ", "/null /proc/timer_list rw,", MASKED_FILE),
    allowed("read-only", "mounts: ", "/null /etc/group rw,", MASKED_FILE),
    allowed("read-only", "mounts: ", " /home ro,", TMPFS_MODE),
    allowed("read-only", "roots: /home directory", "", TMPFS_MODE),
    allowed("mount-options", "mounts: ", " /data/plain rw,", TMPFS_MODE),
    allowed("mount-options", "roots: /data/plain directory", "", TMPFS_MODE),
    allowed("mount-options", "mounts: ", " /data/strict rw,", TMPFS_MODE),
    allowed("mount-options", "roots: /data/strict directory", "", TMPFS_MODE),
    allowed("mount-options", "mounts: ", " /data/relaxed rw,", TMPFS_MODE),
    allowed("mount-options", "roots: /data/relaxed directory", "", TMPFS_MODE),
    allowed("mount-options", "mounts: ", " /data/diratime rw,", TMPFS_MODE),
    allowed("mount-options", "roots: /data/diratime directory", "", TMPFS_MODE),
    allowed("mount-options", "mounts: ", " /data/shared rw,", "libcontainer forgets the propagation that a bind mount asks for"),
    allowed(
        "mount-options",
        "mounts: ",
        " /data/unbindable rw,",
        "libcontainer forgets the propagation that a bind mount asks for",
    ),
    allowed("host-namespaces", "cgroup: ", "0::/", HIERARCHIES),
    allowed("host-namespaces", "cgroup: ", "name=systemd:/", HIERARCHIES),
    allowed(
        "kernel",
        "devices: /dev/own directory",
        "",
        "libcontainer makes the directories of a device 0777; skiff makes them 0755, as runc does",
    ),
];
