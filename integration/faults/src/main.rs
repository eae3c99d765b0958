//! The fault walk: makes every system call of create, start, run, exec and delete fail once, and kills each process at each step,
//! from outside; after each, `delete --force` must leave nothing. See README.md.

mod cache;
mod fault;
mod judge;
mod lab;
mod marks;
mod picture;
mod registers;
mod tracer;
mod walk;
mod workload;

use lab::Lab;
use nix::sys::prctl::set_child_subreaper;
use skiff_testbed::view::View;
use skiff_testbed::{Context, Error};
use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use walk::{Tally, Walk};
use workload::Workload;

struct Arguments {
    view: View,
    workloads: Vec<Workload>,
    full: bool,
    verbose: bool,
    /// Only the cases whose text contains this.
    only: Option<String>,
}

const USAGE: &str = "[--full] [--verbose] [--cgroup v1|v2] [--workload NAME]... [--only TEXT]";

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    let result = if args.next_if(|arg| arg == tracer::STUB).is_some() {
        tracer::stub(args).map(|()| true)
    } else {
        parse(args).and_then(|args| walk(&args))
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("skiff-faults: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn parse(args: impl Iterator<Item = OsString>) -> Result<Arguments, Error> {
    let mut parsed = Arguments { view: View::V2, workloads: Vec::new(), full: false, verbose: false, only: None };
    let mut args = args.map(|arg| arg.to_string_lossy().into_owned());
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--full" => parsed.full = true,
            "--verbose" => parsed.verbose = true,
            "--quick" => parsed.full = false,
            "--cgroup" => parsed.view = args.next().ok_or("--cgroup: v1 or v2")?.parse()?,
            "--workload" => parsed.workloads.push(args.next().ok_or("--workload: which?")?.parse()?),
            "--only" => parsed.only = args.next(),
            other => return Err(format!("unknown argument {other}: {USAGE}").into()),
        }
    }
    if parsed.workloads.is_empty() {
        parsed.workloads.extend(Workload::ALL);
    }
    Ok(parsed)
}

/// True: no promise was broken.
fn walk(args: &Arguments) -> Result<bool, Error> {
    if !args.view.is_available() {
        say(&format!("faults {}: skipped: this machine has no such hierarchy", args.view));
        return Ok(true);
    }
    let runtime = skiff_testbed::runtime()?;
    args.view.enter()?;
    set_child_subreaper(true).context(|| "become a subreaper".into())?;
    if args.workloads.iter().any(|workload| workload.is_module()) {
        cache::isolate()?;
    }
    let mut good = true;
    for workload in &args.workloads {
        if workload.is_module() && !runtime.with_file_name("skiff-wasm").exists() {
            skip(args.view, *workload, "no skiff-wasm beside skiff (integration/engine/build, integration/engine/cargo build)");
            continue;
        }
        good &= walk_workload(args, &Lab::new(&runtime, args.view, *workload)?)?;
    }
    Ok(good)
}

fn walk_workload(args: &Arguments, lab: &Lab) -> Result<bool, Error> {
    let (mut first, mut good) = (0, true);
    let code = match lab.workload {
        Workload::Cached | Workload::Background | Workload::BeforeStart => match compiled(lab) {
            Err(error) if error.to_string().contains(" is missing") => {
                skip(args.view, lab.workload, &error.to_string());
                return Ok(true);
            }
            other => Some(other?),
        },
        Workload::Native | Workload::Interpreted => None,
    };
    for verb in lab.workload.verbs(args.view, args.full || args.only.is_some()) {
        let mut walk = Walk::record(lab, *verb, first, code.clone())?;
        walk.verbose = args.verbose;
        let mut cases = walk.cases(args.full, args.only.is_some());
        if let Some(only) = &args.only {
            cases.retain(|case| format!("{verb} {case}").contains(only));
        }
        let mut tally = Tally::default();
        walk.run(&cases, &mut tally)?;
        say(&format!(
            "faults {} {} {verb}: {} system calls, {} injected ({} survived, {} died), {} not reached, {} failures",
            args.view,
            lab.workload,
            walk.length(),
            tally.injected,
            tally.survived,
            tally.died,
            tally.not_reached,
            tally.failures
        ));
        good &= tally.failures == 0;
        first = walk.next_number();
    }
    Ok(good)
}

/// What a compiler makes of the module.
fn compiled(lab: &Lab) -> Result<cache::Entry, Error> {
    cache::set(None)?;
    lab.compile()?;
    cache::entries().into_iter().next().ok_or_else(|| "there is no compiled code after its compilation".into())
}

fn skip(view: View, workload: Workload, reason: &str) {
    say(&format!("faults {view} {workload}: skipped: {reason}"));
}

/// Prints a line.
fn say(line: &str) {
    // A reader who has gone away is no reason to stop.
    let _ = writeln!(std::io::stdout(), "{line}");
}
