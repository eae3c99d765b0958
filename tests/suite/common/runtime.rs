//! Calls of the runtime under test. Output goes to files, not pipes: a container keeps what `create` was given.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use super::wait_until;

/// The runtime under test: `SKIFF_TEST_RUNTIME`, or skiff as cargo built it.
pub fn binary() -> PathBuf {
    match std::env::var_os("SKIFF_TEST_RUNTIME") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env!("CARGO_BIN_EXE_skiff")),
    }
}

/// False when the tests are tried on another runtime.
pub fn is_skiff() -> bool {
    binary().file_name().is_some_and(|name| name == "skiff")
}

/// A finished call.
#[derive(Debug)]
#[allow(dead_code, reason = "args and the paths are there to be printed")]
pub struct Out {
    /// Exit code; `-N` when signal N ended it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    stdout_path: PathBuf,
    stderr_path: PathBuf,
    args: Vec<String>,
}

impl Out {
    /// Panics unless the call succeeded and left stderr alone. Returns what it printed. Other runtimes may warn.
    #[track_caller]
    pub fn ok(&self) -> &str {
        assert!(self.code == 0 && (self.stderr.is_empty() || !is_skiff()), "{self:#?}");
        &self.stdout
    }

    /// Panics unless the call ended with `code`.
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Out {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Panics unless the call failed with exit code 1 and each of `words` in one line on stderr.
    #[track_caller]
    pub fn fails_with(&self, words: &[&str]) -> &Out {
        assert_eq!(self.code, 1, "{self:#?}");
        assert_eq!(self.stderr.lines().count(), 1, "not one line: {self:#?}");
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in {self:#?}");
        }
        self
    }

    /// What stands in the file of stdout by now: a detached container goes on writing there.
    pub fn stdout_now(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stdout_path).expect("read stdout")).into_owned()
    }

    /// The same of stderr.
    pub fn stderr_now(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stderr_path).expect("read stderr")).into_owned()
    }

    /// Waits until the container has written `text` to stdout.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        wait_until(&format!("{text:?} on stdout"), || self.stdout_now().contains(text));
    }
}

/// A call that runs.
pub struct Running {
    pub child: Child,
    args: Vec<String>,
    stdout_path: PathBuf,
    stderr_path: PathBuf,
}

impl Running {
    /// Starts `command`, with stdout and stderr in files whose names begin with `prefix`.
    pub fn start(mut command: Command, prefix: &Path) -> Running {
        let stdout_path = prefix.with_extension("out");
        let stderr_path = prefix.with_extension("err");
        command.stdout(File::create(&stdout_path).expect("create stdout file"));
        command.stderr(File::create(&stderr_path).expect("create stderr file"));
        let args = command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
        let child = command.spawn().expect("start the runtime");
        Running { child, args, stdout_path, stderr_path }
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("pid")
    }

    /// Waits until the call has written `text` to stdout.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        let path = self.stdout_path.clone();
        wait_until(&format!("{text:?} on stdout of {:?}", self.args), || {
            String::from_utf8_lossy(&fs::read(&path).expect("read stdout")).contains(text)
        });
    }

    /// Waits, bounded, until the call has ended.
    #[track_caller]
    pub fn wait(mut self) -> Out {
        let mut status = None;
        let what = format!("end of {:?}", self.args);
        wait_until(&what, || {
            status = self.child.try_wait().expect("wait for the runtime");
            status.is_some()
        });
        Out {
            code: status.map_or(-1, exit_code),
            stdout: String::from_utf8_lossy(&fs::read(&self.stdout_path).expect("read stdout")).into_owned(),
            stderr: String::from_utf8_lossy(&fs::read(&self.stderr_path).expect("read stderr")).into_owned(),
            stdout_path: self.stdout_path,
            stderr_path: self.stderr_path,
            args: self.args,
        }
    }
}

fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| -status.signal().unwrap_or(0))
}

/// `runtime spec`, parsed: what a user starts from.
pub fn default_spec(dir: &Path) -> serde_json::Value {
    let status = Command::new(binary()).arg("spec").current_dir(dir).stdin(Stdio::null()).status().expect("run spec");
    assert!(status.success(), "spec failed");
    let text = fs::read(dir.join("config.json")).expect("read config.json");
    serde_json::from_slice(&text).expect("parse the default config.json")
}
