//! Tells the binary which source it was built from and by which compiler: `--version` and `features` print it.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=SKIFF_COMMIT");
    // HEAD's log grows with every commit, checkout and reset. Naming a missing file would rebuild every time.
    for file in [".git/HEAD", ".git/logs/HEAD", "build.rs"] {
        if Path::new(file).exists() {
            println!("cargo:rerun-if-changed={file}");
        }
    }
    println!("cargo:rustc-env=SKIFF_COMMIT={}", commit().unwrap_or_else(|| "unknown".into()));
    println!("cargo:rustc-env=SKIFF_RUSTC={}", compiler().unwrap_or_else(|| "unknown".into()));
}

/// A packager's word goes first; a source tree without git has no commit.
fn commit() -> Option<String> {
    if let Ok(given) = std::env::var("SKIFF_COMMIT") {
        return Some(given);
    }
    Path::new(".git").exists().then(|| first_line("git", &["rev-parse", "--verify", "HEAD"]))?
}

fn compiler() -> Option<String> {
    let line = first_line(&std::env::var("RUSTC").ok()?, &["--version"])?;
    line.split_whitespace().nth(1).map(str::to_owned)
}

fn first_line(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.lines().next().unwrap_or_default().to_owned())
}
