//! The grammar of the command line. `argv.rs` has brought the words into its form before.

use crate::commands;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// An OCI container runtime for native and WebAssembly workloads.
#[derive(Debug, Parser)]
#[command(name = "skiff", about, disable_version_flag = true, args_override_self = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Options that stand before the command; some may stand behind it as well.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// State directory [default: /run/skiff, or $XDG_RUNTIME_DIR/skiff without root]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Append log records to FILE; errors still go to stderr, too
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    /// Form of the log records
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    /// What to log besides errors
    #[arg(long, global = true, value_enum, default_value_t = Level::Error)]
    log_level: Level,
    /// The same as --log-level debug
    #[arg(long, global = true)]
    debug: bool,
    /// The same as --cgroup-manager systemd
    #[arg(long)]
    systemd_cgroup: bool,
    /// Who makes the container's cgroup
    #[arg(long, value_enum, default_value_t = CgroupManager::Cgroupfs)]
    cgroup_manager: CgroupManager,
    /// Accepted for compatibility
    #[arg(long, value_parser = ["true", "false", "auto"], default_value = "auto")]
    rootless: String,
    /// Accepted for compatibility
    #[arg(long, value_name = "PATH", hide = true)]
    criu: Option<PathBuf>,
    /// Print the version
    #[arg(short = 'v', short_alias = 'V', long)]
    pub(crate) version: bool,
}

/// Form of a log record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// The least important message that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Level {
    Error,
    #[value(alias = "warn")]
    Warning,
    Info,
    #[value(alias = "trace")]
    Debug,
}

/// crun's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CgroupManager {
    Cgroupfs,
    Systemd,
    Disabled,
}

impl Global {
    pub(crate) fn level(&self) -> Level {
        if self.debug { Level::Debug } else { self.log_level }
    }

    pub(crate) fn cgroup_manager(&self) -> skiff_plan::CgroupManager {
        match self.cgroup_manager {
            CgroupManager::Disabled => skiff_plan::CgroupManager::Disabled,
            CgroupManager::Cgroupfs if !self.systemd_cgroup => skiff_plan::CgroupManager::Cgroupfs,
            CgroupManager::Cgroupfs | CgroupManager::Systemd => skiff_plan::CgroupManager::Systemd,
        }
    }
}

/// The commands that work. One that does not work yet is not here.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a container; its process waits for start
    Create(commands::create::Args),
    /// Let the process of a created container go
    Start(commands::Id),
    /// Print the state of a container as JSON
    State(commands::Id),
    /// Send a signal to a container
    Kill(commands::kill::Args),
    /// Remove a container and all that belongs to it
    Delete(commands::delete::Args),
    /// Create, start, wait for and delete a container
    Run(commands::run::Args),
    /// List the containers
    List(commands::list::Args),
    /// Show the processes of a container
    Ps(commands::ps::Args),
    /// Print what a container uses, and when its memory is exhausted, as JSON
    Events(commands::events::Args),
    /// Freeze all processes of a container
    Pause(commands::Id),
    /// Let a paused container go on
    Resume(commands::Id),
    /// Change the limits of a container
    /// Change the limits of a container
    Update(commands::update::Args),
    /// Run a further process in a running container
    Exec(commands::exec::Args),
    /// Write an example config.json
    Spec(commands::spec::Args),
    /// Print what this runtime can do as JSON
    Features,
    /// Compile WebAssembly modules, and look after what has been compiled
    Wasm {
        #[command(subcommand)]
        command: crate::wasm::Command,
    },
}

/// The help of the whole program.
pub(crate) fn help() -> String {
    Cli::command().render_help().to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        let words = std::iter::once("skiff").chain(line.split_whitespace()).map(std::ffi::OsString::from);
        Cli::try_parse_from(crate::argv::normalise(words).words)
    }

    /// Every form of section 1.6 of the feature matrix and of the recorded calls that this version has a command for.
    #[test]
    fn what_clients_call() {
        for line in [
            "--version",
            "-v",
            "features",
            "--root /r --log /l --log-format json create --bundle /b --pid-file /p ID",
            "--root /r --log /l --log-format json --rootless=true create --bundle /b --pid-file /p --console-socket /s --no-pivot --no-new-keyring ID",
            "--root=/r create --bundle /b --pid-file /p ID",
            "--log-format=json --log /l --cgroup-manager disabled create --bundle /b --pid-file /p --preserve-fds 1 ID",
            "--root /r --log /l --log-format json --debug start ID",
            "--root /r state ID",
            "--root /r kill ID 15",
            "--root /r kill ID KILL",
            "--root /r kill -a ID 9",
            "--root /r --log /l --log-format json kill --all ID 9",
            "delete --force ID",
            "delete ID --force",
            "pause ID",
            "--root /r --log /l --log-format json resume ID",
            "--root /r --log /l --log-format json update --resources - ID",
            "--root /r update --resources=- ID",
            "update --resources=/var/tmp/podman1 ID",
            "update ID -r -",
            "update ID --memory 512m --memory-swap=-1 --cpu-quota -1 --pids-limit -1 --cpu-idle 1 --kernel-memory 5",
            "--root /r --log /l --log-format json events --interval=5s ID",
            "events --stats ID",
            "events ID --interval 1m30s",
            "ps --format json ID",
            "ps ID -ef",
            "run -d -b /b ID",
            "run ID -no-subreaper --keep --detach --bundle=/b",
            "list -q",
            "list -f json --debug",
            "spec --rootless -b /b",
            "--rootless auto spec",
        ] {
            assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
        }
    }

    #[test]
    fn what_is_refused() {
        for line in [
            "checkpoint ID",
            "create",
            "create a b",
            "--log-format xml list",
            "--rootless maybe list",
            "kill",
            "create --preserve-fds x ID",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn who_makes_the_cgroup() {
        use skiff_plan::CgroupManager::{Cgroupfs, Disabled, Systemd};
        for (line, expected) in [
            ("list", Cgroupfs),
            ("--systemd-cgroup list", Systemd),
            ("--systemd-cgroup=false list", Cgroupfs),
            ("--cgroup-manager systemd list", Systemd),
            ("--cgroup-manager=cgroupfs list", Cgroupfs),
            ("--cgroup-manager disabled list", Disabled),
            ("--cgroup-manager disabled --systemd-cgroup list", Disabled),
        ] {
            assert_eq!(parse(line).unwrap().global.cgroup_manager(), expected, "{line}");
        }
    }

    #[test]
    fn the_last_of_repeated_options_counts() {
        let global = parse("--root /a --root /b --debug --debug list --root /c").unwrap().global;
        assert_eq!((global.root, global.debug), (Some("/c".into()), true));
        assert_eq!(parse("--log-level warn list").unwrap().global.level(), Level::Warning);
    }

    #[test]
    fn help_is_no_error() {
        for line in ["help", "-h", "--help", "create -h", "help create", "ps --help"] {
            assert!(!parse(line).unwrap_err().use_stderr(), "{line}");
        }
    }

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }
}
