//! One call into each library, with arguments from outside, so that the linker has to keep what is behind it.

use libcgroups::common::{CgroupConfig, CgroupManager, ControllerOpt, create_cgroup_manager};
use libcontainer::container::{CheckpointOptions, Container};
use libcontainer::network::network_device::dev_change_net_namespace;
use libcontainer::process::intel_rdt::setup_intel_rdt;
use libcontainer::syscall::syscall::SyscallType;
use libcontainer::tty;
use nix029::unistd::Pid;
use oci_spec::runtime::{LinuxIntelRdt, LinuxNetDevice, LinuxResources};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

type Outcome = Result<(), Box<dyn Error>>;

/// The number of libraries that refused; what they do is of no interest.
pub fn call() -> i32 {
    let words: Vec<String> = std::env::args().collect();
    let leaves = [cgroups, checkpoint, rdt, network, terminal, seccomp, names];
    leaves.iter().filter(|leaf| leaf(&words).is_err()).count() as i32
}

fn cgroups(words: &[String]) -> Outcome {
    let config = CgroupConfig {
        cgroup_path: PathBuf::from(words.concat()),
        systemd_cgroup: words.len() > 200,
        container_name: words.concat(),
    };
    let manager = create_cgroup_manager(config)?;
    let resources: LinuxResources = serde_json::from_str(&words.concat())?;
    manager.add_task(Pid::this())?;
    manager.apply(&ControllerOpt {
        resources: &resources,
        disable_oom_killer: false,
        oom_score_adj: None,
        freezer_state: None,
    })?;
    eprint_len(manager.stats()?.cpu.usage.usage_total);
    Ok(manager.remove()?)
}

fn checkpoint(words: &[String]) -> Outcome {
    let options = CheckpointOptions {
        ext_unix_sk: true,
        file_locks: true,
        image_path: PathBuf::from(words.concat()),
        leave_running: true,
        shell_job: true,
        tcp_established: true,
        work_path: None,
        manage_cgroups_mode: rust_criu::CgMode::SOFT,
        link_remap: true,
    };
    let mut container = Container::load(PathBuf::from(words.concat()))?;
    container.checkpoint(&options)?;
    let mut criu = rust_criu::Criu::new()?;
    criu.set_images_dir_fd(words.len() as i32);
    Ok(criu.restore()?)
}

fn rdt(words: &[String]) -> Outcome {
    let wanted: LinuxIntelRdt = serde_json::from_str(&words.concat())?;
    setup_intel_rdt(words.first().map(String::as_str), &Pid::this(), &wanted)?;
    Ok(())
}

fn network(words: &[String]) -> Outcome {
    let device: LinuxNetDevice = serde_json::from_str(&words.concat())?;
    dev_change_net_namespace(&words.concat(), words.len() as i32, &device)?;
    Ok(())
}

fn terminal(words: &[String]) -> Outcome {
    let socket = tty::setup_console_socket(Path::new(&words.concat()), Path::new("socket"), "console")?;
    let syscall = SyscallType::Linux.create_syscall();
    Ok(tty::setup_console(syscall.as_ref(), std::os::fd::AsRawFd::as_raw_fd(&socket), true)?)
}

fn seccomp(words: &[String]) -> Outcome {
    use seccompiler::{BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule};
    let condition = SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, words.len() as u64)?;
    let rules = BTreeMap::from([(words.len() as i64, vec![SeccompRule::new(vec![condition])?])]);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(1), std::env::consts::ARCH.try_into()?)?;
    let program: BpfProgram = filter.try_into()?;
    eprint_len(program.len() as u64);
    Ok(())
}

/// Both tables: by name for each architecture that a profile may name.
fn names(words: &[String]) -> Outcome {
    let name = words.concat();
    let own: syscalls::Sysno = name.parse().map_err(|()| "own")?;
    let other: syscalls::aarch64::Sysno = name.parse().map_err(|()| "aarch64")?;
    let small: syscalls::x86::Sysno = name.parse().map_err(|()| "x86")?;
    eprint_len((own.id() + other.id() + small.id()) as u64);
    Ok(())
}

/// Something that the compiler must keep.
fn eprint_len(value: u64) {
    std::hint::black_box(value);
}
