//! Compiles a module as the runtime does, for the tests. usage: aot MODE CACHE MODULE [OPTION=VALUE...]
//! modes: wait (and say how it ended), begin (and say whether a child is left), watch (begin in another process while nothing may be
//! compiled, wait for what it left)
//! options: time=MS, memory=BYTES, prefix=PATH, again=on, patience=MS

use nix::sys::wait::{WaitPidFlag, waitpid};
use skiff_wasm::cache::{Cache, Key, Maker};
use skiff_wasm::compile::{Limits, Request, Tools, begin, wait};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

type Done = Result<String, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.first().map(String::as_str) {
        Some("watch") => watch(&args),
        Some(mode) => compile(mode, &args),
        None => Err("usage: aot MODE CACHE MODULE [OPTION=VALUE...]".into()),
    };
    let (text, code) = match done {
        Ok(text) => (text, ExitCode::SUCCESS),
        Err(error) => (format!("error: {error}"), ExitCode::FAILURE),
    };
    let _ = writeln!(std::io::stdout(), "{text}");
    code
}

fn compile(mode: &str, args: &[String]) -> Done {
    let [_, cache, module, options @ ..] = args else { return Err("what?".into()) };
    let (mut limits, mut patience, mut again) = (Limits::default(), None, false);
    let mut prefix = std::env::var("SKIFF_ENGINE").unwrap_or_default();
    for option in options {
        let (name, value) = option.split_once('=').ok_or("OPTION=VALUE")?;
        match name {
            "time" => limits.time = Duration::from_millis(value.parse()?),
            "memory" => limits.memory = value.parse()?,
            "patience" => patience = Some(Duration::from_millis(value.parse()?)),
            "prefix" => prefix = value.into(),
            "again" => again = value == "on",
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    let key = Key::of(&std::fs::read(module)?, Maker::here(2));
    let own = std::env::current_exe()?;
    let program = own.ancestors().nth(2).ok_or("no directory")?.join("skiff-wasm-compiler");
    let tools = Tools::find(Path::new(&prefix), &program)?;
    let cache = Cache::open(Path::new(cache))?;
    let request = Request { cache, key, limits, tools, args: None, again };
    let module = File::open(module)?.into();
    if mode == "begin" {
        begin(request, module)?;
        return Ok(format!("{:?}", waitpid(None, Some(WaitPidFlag::WNOHANG))));
    }
    let mut phases = Vec::new();
    wait(request, module, patience, &mut |phase| phases.extend((phase != 0).then_some(phase)))?;
    phases.dedup();
    Ok(format!("compiled {phases:?}"))
}

/// Is the nearest subreaper, so that it gets what the other leaves.
fn watch(args: &[String]) -> Done {
    let [_, cache, module, ..] = args else { return Err("what?".into()) };
    let slot = Cache::open(Path::new(cache))?.slot(1, false, &Key::of(&std::fs::read(module)?, Maker::here(2)))?;
    nix::sys::prctl::set_child_subreaper(true)?;
    let output = Command::new(std::env::current_exe()?).arg("begin").args(&args[1..]).stderr(Stdio::inherit()).output()?;
    let begun = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let left = waitpid(None, Some(WaitPidFlag::WNOHANG))?;
    drop(slot);
    let ended = waitpid(None, None)?;
    let running = matches!(left, nix::sys::wait::WaitStatus::StillAlive);
    Ok(format!(
        "{begun}; pipes closed while it ran: {running}; code {}",
        matches!(ended, nix::sys::wait::WaitStatus::Exited(_, 0))
    ))
}
