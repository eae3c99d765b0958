//! Runs one bundle in the foreground through libcontainer's builder, with the arguments of the runtimes' `run`:
//! `skiff-oracle --root DIR run --bundle DIR ID`.

use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::wait::{WaitStatus, waitpid};
use skiff_testbed::{Context, Error};
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // Nobody to tell when stderr is gone.
            let _ = writeln!(std::io::stderr(), "skiff-oracle: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<u8, Error> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let ["--root", root, "run", "--bundle", bundle, id] = words.as_slice() else {
        return Err("usage: skiff-oracle --root DIR run --bundle DIR ID".into());
    };
    // The container is the grandchild: its code must reach this process.
    set_child_subreaper(true).context(|| "become a subreaper".into())?;
    let builder =
        ContainerBuilder::new((*id).to_owned(), SyscallType::Linux).with_root_path(root).context(|| format!("use {root}"))?;
    let built = builder.validate_id().and_then(|builder| builder.as_init(*bundle).with_systemd(false).with_detach(true).build());
    let mut container = built.map_err(|error| describe(&error))?;
    let pid = container.pid().ok_or("the container has no pid")?;
    container.start().map_err(|error| describe(&error))?;
    let code = loop {
        match waitpid(None, None).context(|| "wait for the container".into())? {
            WaitStatus::Exited(ended, code) if ended.as_raw() == pid.as_raw() => break u8::try_from(code).unwrap_or(u8::MAX),
            WaitStatus::Signaled(ended, signal, _) if ended.as_raw() == pid.as_raw() => break 128 + signal as u8,
            _ => {}
        }
    };
    container.delete(true).map_err(|error| describe(&error))?;
    Ok(code)
}

/// libcontainer's errors say little by themselves.
fn describe(error: &dyn std::error::Error) -> Error {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text.into()
}
