//! What a container sees of itself, asked from inside, as lines `section: text` without what differs from run to run.

use std::collections::BTreeSet;
use std::fs;

/// Run by busybox's shell as the container's first process. Each section starts with `@name`.
pub const SCRIPT: &str = r#"me=/proc/$$
show() { echo "@$1"; shift; "$@" 2>&1; }
show mounts cat $me/mountinfo
show status cat $me/status
show limits cat $me/limits
echo @namespaces; for ns in $me/ns/*; do echo "${ns##*/} $(readlink $ns)"; done
echo @environment; tr '\0' '\n' <$me/environ
show cwd readlink $me/cwd
show hostname cat /proc/sys/kernel/hostname
show domainname cat /proc/sys/kernel/domainname
show cgroup cat $me/cgroup
show oom cat $me/oom_score_adj
echo @session; cut -d ' ' -f 5,6 $me/stat
echo @descriptors; for fd in 0 1 2 3 4 5 6 7 8 9; do [ -e $me/fd/$fd ] && echo $fd; done
echo @stdio; stat -L -c '%u %g' $me/fd/1
echo @devices; find /dev -exec stat -c '%N %F %a %t %T %u %g' {} +
echo @roots; stat -c '%n %F %a %u %g' / /proc /sys /dev /tmp /home /etc/* /data/* 2>&1
show loopback cat /sys/class/net/lo/flags
echo @sysctl; cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax
echo @writable; for d in / /tmp /home /dev /dev/shm /proc/sys/kernel /sys /data/*; do (: >$d/probe) 2>/dev/null && echo $d && rm $d/probe; done
echo @hidden; for f in /proc/keys /proc/timer_list /proc/kcore; do echo "$f $(head -c 64 $f 2>&1 | wc -c)"; done; ls /sys/firmware 2>&1 | head -1
show network ls /sys/class/net
"#;

/// The comparable lines of the probe's output.
pub fn lines(output: &str) -> BTreeSet<String> {
    let mut section = "";
    let mut order = 0;
    let mut lines = BTreeSet::new();
    for line in output.lines() {
        if let Some(name) = line.strip_prefix('@') {
            section = name;
            order = 0;
            continue;
        }
        order += 1;
        let text = match section {
            "mounts" => Some(format!("{order} {}", mount(line))),
            "status" => status(line),
            "namespaces" => Some(namespace(line)),
            _ => Some(line.to_owned()),
        };
        lines.extend(text.map(|text| format!("{section}: {text}")));
    }
    lines
}

/// Root, mount point, options, propagation, type and superblock options: no ids, no peer group numbers.
fn mount(line: &str) -> String {
    let words = line.split(' ').skip(3).map(|word| match word.split_once(':') {
        Some((kind @ ("shared" | "master"), _)) => kind,
        _ => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

fn status(line: &str) -> Option<String> {
    const KEYS: [&str; 14] = [
        "Umask",
        "Uid",
        "Gid",
        "Groups",
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp",
        "SigIgn",
        "SigBlk",
        "NSpid",
    ];
    let key = line.split(':').next().filter(|key| KEYS.contains(key))?;
    Some(if key == "SigIgn" { ignored(line) } else { line.to_owned() })
}

/// Ignored signals but for those that whoever called the test ignored already.
fn ignored(line: &str) -> String {
    let bits = |line: &str| u64::from_str_radix(line.rsplit('\t').next().unwrap_or_default(), 16).unwrap_or_default();
    let own = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let sigpipe = 1 << 12; // ignored by Rust's start-up, but not by what it runs
    let inherited = own.lines().find(|line| line.starts_with("SigIgn")).map(bits).unwrap_or_default() & !sigpipe;
    format!("SigIgn: {:016x}", bits(line) & !inherited)
}

fn namespace(line: &str) -> String {
    let (kind, link) = line.split_once(' ').unwrap_or((line, ""));
    let host = fs::read_link(format!("/proc/self/ns/{kind}"));
    let same = host.is_ok_and(|host| host.as_os_str() == link);
    format!("{kind} {}", if same { "of the host" } else { "its own" })
}
