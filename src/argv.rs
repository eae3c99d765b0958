//! Brings argv into the one form that the parser knows. Clients speak the dialect of Go's flag package:
//! `-no-subreaper`, `--detach=false`, `kill ID -9`, and everything after the id of `ps` belongs to ps(1).

use crate::signal;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Options that take a value, by their long name.
#[rustfmt::skip]
const VALUED: [&str; 42] = [
    "additional-gids", "apparmor", "blkio-weight", "bundle", "cap", "cgroup", "cgroup-manager", "config", "console-socket",
    "cpu-burst", "cpu-idle", "cpu-period", "cpu-quota", "cpu-rt-period", "cpu-rt-runtime", "cpu-share", "cpuset-cpus",
    "cpuset-mems", "criu", "cwd", "env", "format", "interval", "kernel-memory", "kernel-memory-tcp", "l3-cache-schema", "log",
    "log-format", "log-level", "mem-bw-schema", "memory", "memory-reservation", "memory-swap", "pid-file", "pidfd-socket",
    "pids-limit", "preserve-fds", "process", "process-label", "resources", "root", "user",
];

/// Options that take none.
#[rustfmt::skip]
const FLAGS: [&str; 16] = [
    "all", "debug", "detach", "force", "help", "ignore-paused", "keep", "no-new-keyring", "no-new-privs", "no-pivot",
    "no-subreaper", "quiet", "stats", "systemd-cgroup", "tty", "version",
];

/// Valued before the command, a flag of `spec`.
const ROOTLESS: &str = "rootless";

/// A normalised command line.
#[derive(Debug, Default)]
pub(crate) struct Argv {
    /// All words, the program's name first.
    pub(crate) words: Vec<OsString>,
    /// The command, when there is one.
    pub(crate) command: Option<String>,
    /// How many words after the command were no options.
    operands: usize,
}

/// Whether a program of this name (argv[0]) is asked for WebAssembly: podman calls the runtime of wasi/wasm images `NAME-wasm`.
pub(crate) fn names_wasm(program: &OsStr) -> bool {
    Path::new(program).file_name().is_some_and(|name| name.as_bytes().ends_with(b"-wasm"))
}

/// What is to be taken as it stands.
#[derive(PartialEq)]
enum Verbatim {
    Nothing,
    NextWord,
    Rest,
}

/// Reads the words once, from left to right.
pub(crate) fn normalise(mut words: impl Iterator<Item = OsString>) -> Argv {
    let mut argv = Argv { words: words.next().into_iter().collect(), ..Argv::default() };
    while let Some(word) = words.next() {
        match argv.read(word) {
            Verbatim::Nothing => {}
            Verbatim::NextWord => argv.words.extend(words.next()),
            Verbatim::Rest => argv.words.extend(words.by_ref()),
        }
    }
    argv
}

impl Argv {
    fn read(&mut self, word: OsString) -> Verbatim {
        match word.to_str() {
            Some("--") => {
                self.words.push(word);
                Verbatim::Rest
            }
            Some(text) if text.len() > 1 && text.starts_with('-') => self.option(text),
            _ => self.operand(word),
        }
    }

    fn operand(&mut self, word: OsString) -> Verbatim {
        match self.command {
            None => self.command = Some(word.to_string_lossy().into_owned()),
            Some(_) => self.operands += 1,
        }
        self.words.push(word);
        if (self.is("ps") || self.is("exec")) && self.operands == 1 {
            self.words.push("--".into());
            return Verbatim::Rest;
        }
        Verbatim::Nothing
    }

    fn option(&mut self, text: &str) -> Verbatim {
        if let Some(signal) = text.strip_prefix('-').filter(|_| self.is("kill") && self.operands > 0)
            && signal::parse(signal).is_ok()
        {
            return self.operand(signal.into());
        }
        let bare = text.strip_prefix("--").or_else(|| text.strip_prefix('-').filter(|bare| self.knows(bare)));
        let Some(bare) = bare else {
            self.words.push(text.into());
            return self.after_short(text);
        };
        self.long(bare)
    }

    /// `bare`: a long option without its dashes, perhaps with `=VALUE`.
    fn long(&mut self, bare: &str) -> Verbatim {
        let (name, value) = bare.split_once('=').map_or((bare, None), |(name, value)| (name, Some(value)));
        match (value, self.is_flag(name)) {
            (Some("true"), true) => self.words.push(format!("--{name}").into()),
            (Some("false"), true) => {}
            _ => self.words.push(format!("--{bare}").into()),
        }
        if value.is_none() && self.is_valued(name) { Verbatim::NextWord } else { Verbatim::Nothing }
    }

    /// `-b DIR` everywhere, some of `exec`, `-f FILE` or `-f FORMAT` everywhere but in `delete -f`.
    fn after_short(&self, text: &str) -> Verbatim {
        let of_exec = self.is("exec") && ["-c", "-e", "-g", "-p", "-u"].contains(&text);
        let of_update = self.is("update") && text == "-r";
        let valued = text == "-b" || of_exec || of_update || (text == "-f" && !self.is("delete"));
        if valued { Verbatim::NextWord } else { Verbatim::Nothing }
    }

    fn is(&self, command: &str) -> bool {
        self.command.as_deref() == Some(command)
    }

    fn knows(&self, bare: &str) -> bool {
        let name = bare.split('=').next().unwrap_or(bare);
        self.is_flag(name) || self.is_valued(name)
    }

    fn is_flag(&self, name: &str) -> bool {
        FLAGS.contains(&name) || (name == ROOTLESS && self.command.is_some())
    }

    fn is_valued(&self, name: &str) -> bool {
        VALUED.contains(&name) || (name == ROOTLESS && self.command.is_none())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use clap::CommandFactory;

    /// `words` after the program's name, normalised and joined again.
    fn joined(words: &str) -> String {
        let words = std::iter::once("skiff").chain(words.split_whitespace()).map(OsString::from);
        let argv = normalise(words);
        argv.words[1..].iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_fine_stays() {
        for words in [
            "--root /r --log /l --log-format json create --bundle /b --pid-file /p ID",
            "--root=/r --systemd-cgroup create ID -b /b",
            "kill --all ID 9",
            "delete -f ID",
            "run -d ID",
            "list -q -f json",
            "",
        ] {
            assert_eq!(joined(words), words);
        }
    }

    #[test]
    fn go_dialect() {
        assert_eq!(joined("-root /r run -no-subreaper ID"), "--root /r run --no-subreaper ID");
        assert_eq!(joined("-root=/r -debug state ID"), "--root=/r --debug state ID");
        assert_eq!(joined("run --detach=true --keep=false ID"), "run --detach ID");
        assert_eq!(joined("-rootless auto spec -rootless"), "--rootless auto spec --rootless");
        assert_eq!(joined("--rootless=true list"), "--rootless=true list");
    }

    #[test]
    fn values_are_left_alone() {
        assert_eq!(joined("create -b -debug --pid-file -keep ID"), "create -b -debug --pid-file -keep ID");
        assert_eq!(joined("delete -- -force"), "delete -- -force");
    }

    #[test]
    fn signals_may_have_a_dash_after_the_id() {
        assert_eq!(joined("kill ID -9"), "kill ID 9");
        assert_eq!(joined("kill ID -KILL -a"), "kill ID KILL -a");
        assert_eq!(joined("kill -a ID -sigrtmin+1"), "kill -a ID sigrtmin+1");
    }

    #[test]
    fn ps_keeps_its_arguments() {
        assert_eq!(joined("ps -f json ID"), "ps -f json ID --");
        assert_eq!(joined("ps ID -ef -format x"), "ps ID -- -ef -format x");
        assert_eq!(joined("ps --format table ID --root"), "ps --format table ID -- --root");
    }

    #[test]
    fn the_command_is_found_behind_valued_options() {
        let command = |words: &str| normalise(words.split(' ').map(OsString::from)).command;
        assert_eq!(command("skiff --root create --log run start x").as_deref(), Some("start"));
        assert_eq!(command("skiff --debug -root=/x run x").as_deref(), Some("run"));
        assert_eq!(command("skiff --version"), None);
    }

    #[test]
    fn the_tables_are_those_of_the_parser() {
        let mut cli = crate::cli::Cli::command();
        cli.build();
        let commands = std::iter::once(&cli).chain(cli.get_subcommands().filter(|c| c.get_name() != "help"));
        let (mut valued, mut flags) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
        for arg in commands.flat_map(|command| command.get_arguments()) {
            let Some(name) = arg.get_long().filter(|name| *name != ROOTLESS) else { continue };
            if arg.get_action().takes_values() {
                valued.insert(name)
            } else {
                flags.insert(name)
            };
        }
        assert!(valued.into_iter().eq(VALUED));
        assert!(flags.into_iter().eq(FLAGS));
    }

    #[test]
    fn names_that_ask_for_wasm() {
        for (program, expected) in [
            ("/usr/bin/skiff-wasm", true),
            ("crun-wasm", true),
            ("skiff", false),
            ("skiff-wasm/skiff", false),
            ("-wasmer", false),
            ("", false),
        ] {
            assert_eq!(names_wasm(OsStr::new(program)), expected, "{program}");
        }
    }
}
