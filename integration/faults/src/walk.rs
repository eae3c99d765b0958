//! The walk: records one clean run of a command, then repeats it with each fault at each step and looks at what remains.

use crate::fault::{Fault, Step};
use crate::lab::Lab;
use crate::tracer::{self, Ending};
use crate::{picture, registers, say};
use nix::errno::Errno;
use skiff_testbed::Error;
use std::collections::HashSet;
use std::fmt;

/// How many problems of one case are printed.
const SHOWN: usize = 5;

/// The command that faults are injected into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `create`.
    Create,
    /// `start` of a created container.
    Start,
    /// `delete --force` of a running container.
    Delete,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verb::Create => "create",
            Verb::Start => "start",
            Verb::Delete => "delete",
        })
    }
}

/// What the faults came to.
#[derive(Debug, Default)]
pub struct Tally {
    /// Faults injected.
    pub injected: usize,
    /// Of these: the command succeeded all the same.
    pub survived: usize,
    /// The command, or one of its processes, died instead of reporting.
    pub died: usize,
    /// Steps that the repeated run did not make.
    pub not_reached: usize,
    /// Cases that broke a promise; each is printed when it is found.
    pub failures: usize,
}

/// One walk in one lab.
pub struct Walk<'a> {
    lab: &'a Lab,
    verb: Verb,
    /// How the container looks when nothing fails.
    usual: String,
    steps: Vec<Step>,
    count: usize,
    /// Prints each case before it runs.
    pub verbose: bool,
}

impl<'a> Walk<'a> {
    /// Runs the command once without a fault. `first` is the number of the first container.
    pub fn record(lab: &'a Lab, verb: Verb, first: usize) -> Result<Walk<'a>, Error> {
        let mut walk = Walk { lab, verb, usual: String::new(), steps: Vec::new(), count: first, verbose: false };
        let id = walk.next_id();
        let mut problems = Vec::new();
        walk.prepare(&id)?;
        let run = tracer::run(&mut lab.command(&walk.args(&id), true)?, None, false)?;
        if run.ending != Ending::Exited(0) {
            lab.sweep(&id)?;
            return Err(format!("{verb} without a fault: {:?}: {}", run.ending, lab.stderr()).into());
        }
        if verb != Verb::Delete {
            walk.usual = walk.look(&id, &mut problems)?;
        }
        walk.finish(&id, &mut problems)?;
        lab.sweep(&id)?;
        if let [first, ..] = problems.as_slice() {
            return Err(format!("{verb} without a fault: {first}").into());
        }
        walk.steps = run.steps;
        Ok(walk)
    }

    /// The number of the next container, for a walk after this one.
    pub fn next_number(&self) -> usize {
        self.count
    }

    /// How many system calls the clean run made.
    pub fn length(&self) -> usize {
        self.steps.len()
    }

    /// The cases: every step with every fault, or a sample that has each call of each process at least once.
    pub fn cases(&self, full: bool) -> Vec<(Step, Fault)> {
        const ERRORS: [Errno; 3] = [Errno::EPERM, Errno::ENOMEM, Errno::EINTR];
        let mut seen = HashSet::new();
        let mut cases = Vec::new();
        for (place, step) in self.steps.iter().enumerate() {
            let first = seen.insert((step.process, step.number));
            if step.can_fail() && registers::CAN_FAIL_CALLS && (full || first || place % 5 == 0) {
                let errors = if full { &ERRORS[..] } else { &ERRORS[place % 3..=place % 3] };
                let errors = errors.iter().filter(|errno| !step.has_another_way(**errno));
                cases.extend(errors.map(|errno| (*step, Fault::Error(*errno))));
            }
            if full || place % 5 == 2 {
                cases.push((*step, Fault::Kill));
            }
        }
        cases
    }

    /// Runs the cases one after the other.
    pub fn run(&mut self, cases: &[(Step, Fault)], tally: &mut Tally) -> Result<(), Error> {
        for case in cases {
            let id = self.next_id();
            let mut problems = Vec::new();
            if self.verbose {
                say(&format!("{} {} {}", self.verb, case.0, case.1));
            }
            if let Err(error) = self.one(&id, case, tally, &mut problems) {
                problems.push(error.to_string());
            }
            if !problems.is_empty() {
                let more = problems.len().saturating_sub(SHOWN);
                problems.truncate(SHOWN);
                let more = if more == 0 { String::new() } else { format!("; and {more} more") };
                tally.failures += 1;
                say(&format!("FAIL {} {} {}: {}{more}", self.verb, case.0, case.1, problems.join("; ")));
            }
            self.lab.sweep(&id)?;
        }
        Ok(())
    }

    fn next_id(&mut self) -> String {
        self.count += 1;
        self.lab.id(self.count)
    }

    fn args(&self, id: &str) -> Vec<String> {
        match self.verb {
            Verb::Create => self.lab.create_args(id),
            Verb::Start => vec!["start".into(), id.into()],
            Verb::Delete => vec!["delete".into(), "--force".into(), id.into()],
        }
    }

    /// Brings the container to where the command finds it.
    fn prepare(&self, id: &str) -> Result<(), Error> {
        self.lab.fresh_outputs();
        if self.verb != Verb::Create {
            self.must(&self.lab.create_args(id))?;
            self.lab.fresh_outputs();
        }
        if self.verb == Verb::Delete {
            self.must(&["start".to_owned(), id.to_owned()])?;
            self.lab.fresh_outputs();
        }
        Ok(())
    }

    fn must(&self, args: &[String]) -> Result<(), Error> {
        let call = self.lab.call(args)?;
        if call.code == Some(0) {
            return Ok(());
        }
        Err(format!("{} ended with {:?}: {}", args.join(" "), call.code, call.stderr.trim_end()).into())
    }

    fn one(&self, id: &str, case: &(Step, Fault), tally: &mut Tally, problems: &mut Vec<String>) -> Result<(), Error> {
        self.prepare(id)?;
        let committed = self.is_after_commit(&case.0);
        let run = tracer::run(&mut self.lab.command(&self.args(id), true)?, Some(case), committed)?;
        if run.injected {
            tally.injected += 1;
        } else {
            tally.not_reached += 1;
        }
        if run.hung {
            problems.push("hangs, or init outlives its parent".into());
        }
        match run.ending {
            Ending::Exited(0) => {
                tally.survived += 1;
                let mut found = Vec::new();
                self.check_works(id, &mut found)?;
                if !self.is_after_ready(&case.0) || !self.is_one_error_line() {
                    problems.append(&mut found);
                }
            }
            // Nobody was told, but the container is there.
            Ending::Killed(_) if committed && case.1 == Fault::Kill => {
                tally.died += 1;
                self.check_works(id, problems)?;
            }
            // Rust's runtime and libc give up by a signal, or by 127, where they cannot even report.
            Ending::Killed(_) | Ending::Exited(127) => {
                tally.died += 1;
                if case.1 != Fault::Kill && !case.0.may_abort() {
                    problems.push(format!("{:?} instead of an error: {:?}", run.ending, self.lab.stderr()));
                }
            }
            Ending::Exited(code) => self.check_refusal(id, code, problems)?,
        }
        self.finish(id, problems)
    }

    /// Whether the parent has sent Committed, the last thing that it says to init in create: from there on init stays.
    fn is_after_commit(&self, step: &Step) -> bool {
        let place = self.steps.iter().position(|one| one == step);
        self.verb == Verb::Create
            && step.process == 0
            && place > self.steps.iter().rposition(|one| one.process == 0 && one.sends())
    }

    /// Whether init has said Ready: if it ends from there on, create may have succeeded already, and start has to tell.
    fn is_after_ready(&self, step: &Step) -> bool {
        let place = self.steps.iter().position(|one| one == step);
        let said = self.steps.iter().rposition(|one| one.process == step.process && one.sends());
        self.verb == Verb::Create && step.process > 0 && place > said
    }

    /// The command said that it succeeded: then nothing of what was asked for may be missing.
    fn check_works(&self, id: &str, problems: &mut Vec<String>) -> Result<(), Error> {
        if self.verb == Verb::Delete {
            problems.extend(self.lab.leftovers(id)?);
            return Ok(());
        }
        let now = self.look(id, problems)?;
        let differences = picture::differences(&self.usual, &now);
        problems.extend(differences.into_iter().map(|line| format!("succeeded, but {line}")));
        Ok(())
    }

    fn is_one_error_line(&self) -> bool {
        let stderr = self.lab.stderr();
        stderr.contains("level=error") && stderr.lines().count() == 1
    }

    /// The command said that it failed: one line, and create has cleaned up by itself.
    fn check_refusal(&self, id: &str, code: i32, problems: &mut Vec<String>) -> Result<(), Error> {
        if !self.is_one_error_line() {
            let stderr = self.lab.stderr();
            problems.push(format!("exit code {code} with {stderr:?} instead of one error line"));
        }
        if self.verb == Verb::Create {
            let left = self.lab.leftovers(id)?;
            problems.extend(left.into_iter().map(|what| format!("left by the failed create: {what}")));
        }
        Ok(())
    }

    /// Starts the container unless the command did, and draws it.
    fn look(&self, id: &str, problems: &mut Vec<String>) -> Result<String, Error> {
        let pid = self.lab.pid()?;
        if self.verb == Verb::Create {
            self.lab.fresh_outputs();
            let start = self.lab.call(&["start", id])?;
            if start.code != Some(0) {
                problems.push(format!("start ended with {:?}: {}", start.code, start.stderr.trim_end()));
                return Ok(String::new());
            }
        }
        let payload = self.lab.payload_output(pid)?;
        picture::take(pid, id, &payload)
    }

    /// `delete --force`, nothing left, and the id free for another container.
    fn finish(&self, id: &str, problems: &mut Vec<String>) -> Result<(), Error> {
        let delete = ["delete", "--force", id].map(str::to_owned);
        self.lab.fresh_outputs();
        if let Err(error) = self.must(&delete) {
            problems.push(error.to_string());
        }
        let left = self.lab.leftovers(id)?;
        problems.extend(left.into_iter().map(|what| format!("left after delete --force: {what}")));
        if let Err(error) = self.must(&self.lab.create_args(id)).and_then(|()| self.must(&delete)) {
            problems.push(format!("the id used again: {error}"));
        }
        let left = self.lab.leftovers(id)?;
        problems.extend(left.into_iter().map(|what| format!("left after the second delete: {what}")));
        Ok(())
    }
}
