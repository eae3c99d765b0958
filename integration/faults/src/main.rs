//! The fault walk: makes every system call of create, start and delete fail once, and kills each process at each step,
//! from outside; after each, `delete --force` must leave nothing. See README.md.

mod fault;
mod lab;
mod picture;
mod registers;
mod tracer;
mod walk;

use lab::Lab;
use nix::sys::prctl::set_child_subreaper;
use skiff_testbed::view::View;
use skiff_testbed::{Context, Error};
use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use walk::{Tally, Verb, Walk};

struct Arguments {
    view: View,
    full: bool,
    verbose: bool,
    /// Only the cases whose text contains this.
    only: Option<String>,
}

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
    let mut parsed = Arguments { view: View::V2, full: false, verbose: false, only: None };
    let mut args = args.map(|arg| arg.to_string_lossy().into_owned());
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--full" => parsed.full = true,
            "--verbose" => parsed.verbose = true,
            "--quick" => parsed.full = false,
            "--cgroup" => parsed.view = args.next().ok_or("--cgroup: v1 or v2")?.parse()?,
            "--only" => parsed.only = args.next(),
            other => return Err(format!("unknown argument {other}: [--full] [--verbose] [--cgroup v1|v2] [--only TEXT]").into()),
        }
    }
    Ok(parsed)
}

/// True: no promise was broken.
fn walk(args: &Arguments) -> Result<bool, Error> {
    if !args.view.is_available() {
        say(&format!("faults {}: skipped, this machine has no such hierarchy", args.view));
        return Ok(true);
    }
    let runtime = skiff_testbed::runtime()?;
    args.view.enter()?;
    set_child_subreaper(true).context(|| "become a subreaper".into())?;
    let lab = Lab::new(&runtime, args.view)?;
    let mut first = 0;
    let mut good = true;
    for verb in [Verb::Create, Verb::Start, Verb::Delete] {
        let mut walk = Walk::record(&lab, verb, first)?;
        walk.verbose = args.verbose;
        let mut cases = walk.cases(args.full);
        if let Some(only) = &args.only {
            cases.retain(|(step, fault)| format!("{verb} {step} {fault}").contains(only));
        }
        let mut tally = Tally::default();
        walk.run(&cases, &mut tally)?;
        report(args.view, verb, walk.length(), &tally);
        good &= tally.failures == 0;
        first = walk.next_number();
    }
    Ok(good)
}

fn report(view: View, verb: Verb, length: usize, tally: &Tally) {
    say(&format!(
        "faults {view} {verb}: {length} system calls, {} injected ({} survived, {} died), {} not reached, {} failures",
        tally.injected, tally.survived, tally.died, tally.not_reached, tally.failures
    ));
}

/// Prints a line.
fn say(line: &str) {
    // A reader who has gone away is no reason to stop.
    let _ = writeln!(std::io::stdout(), "{line}");
}
