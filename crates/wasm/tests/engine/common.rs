//! Modules to run, and how they are run: by the example `run`, which `cargo test` builds.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Skips a test aloud.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)*) => {{
        $crate::common::skipped(&format!($($reason)*));
        return;
    }};
}

/// Says so on the terminal too, past libtest's capture, and to the gate's count.
pub fn skipped(reason: &str) {
    use std::io::Write;
    let line = format!("skipped: {}: {reason}\n", std::thread::current().name().unwrap_or("?"));
    let log = std::env::var_os("SKIFF_SKIP_LOG").unwrap_or_else(|| "/dev/stderr".into());
    let _ = std::fs::OpenOptions::new().append(true).open(log).and_then(|mut file| file.write_all(line.as_bytes()));
}

/// The engine's prefix, as far as there is one: a static engine has none.
pub fn prefix() -> Option<PathBuf> {
    std::env::var_os("SKIFF_ENGINE").map(PathBuf::from)
}

/// A directory that is removed with it.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("skiff-engine-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// A module from text.
    pub fn wat(&self, text: &str) -> PathBuf {
        self.file("module.wasm", &wat::parse_str(text).unwrap())
    }

    /// A module from C, by Debian's clang and wasi-libc.
    pub fn c(&self, source: &str, flags: &[&str]) -> Result<PathBuf, String> {
        let (from, to) = (self.file("main.c", source.as_bytes()), self.0.join("main.wasm"));
        let compiler = ["clang", "clang-14", "clang-19"].into_iter().find(|name| works(name)).ok_or("no clang")?;
        if !Path::new("/usr/include/wasm32-wasi").exists() {
            return Err("no wasi-libc".into());
        }
        let mut command = Command::new(compiler);
        command.args(["--target=wasm32-wasi", "--sysroot=/usr"]).args(flags).arg(&from).arg("-o").arg(&to);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(to)
    }

    /// The module with native code, by the prefix's compiler.
    pub fn compiled(&self, module: &Path) -> Result<PathBuf, String> {
        let libraries = prefix().ok_or("no prefix")?.join("compiler");
        if !libraries.exists() {
            return Err("the prefix has no compiler: integration/engine/build --compiler".into());
        }
        let to = self.0.join("compiled.wasm");
        let mut command = Command::new(libraries.join("ld.so"));
        // The search path that is linked in leads to the stub.
        command.args(["--inhibit-rpath", ""]).arg("--library-path").arg(&libraries).arg(example("compile"));
        let output = command.args([module, &to]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(to)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn works(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A program beside the tests.
pub fn example(name: &str) -> PathBuf {
    let path = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(path.exists(), "{} is missing: run the tests without --test, or build the examples first", path.display());
    path
}

/// The program that runs a module.
pub fn runner() -> Command {
    let mut command = Command::new(example("run"));
    // What the engine would read of its environment must not reach a test.
    command.env_clear().stdin(Stdio::null());
    // SAFETY: a raw system call, which is async-signal-safe: what this process has inherited does not reach the run.
    unsafe {
        command.pre_exec(|| {
            libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
            Ok(())
        })
    };
    command
}

/// Runs a module to its end.
pub fn run(options: &[&str], module: &Path, args: &[&str]) -> Ended {
    Ended::of(&runner().args(options).arg(module).args(args).output().unwrap())
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// The code, and these words on stderr; nothing on stdout.
    #[track_caller]
    pub fn is(&self, code: i32, words: &[&str]) {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), ""), "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in {self:?}");
        }
    }
}
