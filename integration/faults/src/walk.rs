//! The walk: records one clean run of a command, then repeats it with each fault at each step. What remains is looked at by
//! `judge`.

use crate::cache::{self, Entry};
use crate::fault::{Fault, Step};
use crate::lab::Lab;
use crate::marks::Marks;
use crate::tracer::{self, Ending, Rest};
use crate::workload::{ENDS_WITH, Workload};
use crate::{picture, registers, say};
use nix::errno::Errno;
use skiff_testbed::Error;
use std::collections::HashSet;
use std::fmt;

/// How many problems of one case are printed.
const SHOWN: usize = 5;

/// A sample that is as close as that has the first of each call, too.
const EACH_CALL: usize = 5;

/// The command that faults are injected into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `create`.
    Create,
    /// `start` of a created container.
    Start,
    /// `run` in the foreground of a container that ends by itself.
    Run,
    /// `exec --detach` in a running container.
    Exec,
    /// `delete --force` of a running container.
    Delete,
}

impl Verb {
    /// The exit code when nothing fails.
    pub fn success(self) -> i32 {
        if self == Verb::Run { ENDS_WITH } else { 0 }
    }

    /// The number of the process that becomes the container's, if the command makes one: exec has one in between.
    fn container(self) -> usize {
        match self {
            Verb::Create | Verb::Run => 1,
            Verb::Exec => 2,
            Verb::Start | Verb::Delete => usize::MAX,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verb::Create => "create",
            Verb::Start => "start",
            Verb::Run => "run",
            Verb::Exec => "exec",
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

/// One fault at one step.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Where the step is in the clean run.
    pub place: usize,
    /// What fails, and how.
    pub at: (Step, Fault),
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.at.0, self.at.1)
    }
}

/// One walk in one lab.
pub struct Walk<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) verb: Verb,
    /// How the container looks, or what it has printed, when nothing fails.
    pub(crate) usual: String,
    /// How it looks before the command, where that is exec.
    pub(crate) before: String,
    pub(crate) marks: Marks,
    /// What is compiled of the module, once that is known.
    pub(crate) code: Option<Entry>,
    steps: Vec<Step>,
    count: usize,
    /// Prints each case before it runs.
    pub verbose: bool,
}

impl<'a> Walk<'a> {
    /// Runs the command once without a fault. `first` is the number of the first container, `code` what the cache shall have.
    pub fn record(lab: &'a Lab, verb: Verb, first: usize, code: Option<Entry>) -> Result<Walk<'a>, Error> {
        let (usual, before) = (String::new(), String::new());
        let marks = Marks::default();
        let mut walk = Walk { lab, verb, usual, before, marks, code, steps: Vec::new(), count: first, verbose: false };
        let id = walk.next_id();
        let clean = walk.record_clean(&id);
        lab.sweep(&id)?;
        clean.map_err(|error| format!("{verb} without a fault: {error}"))?;
        Ok(walk)
    }

    fn record_clean(&mut self, id: &str) -> Result<(), Error> {
        let (lab, verb) = (self.lab, self.verb);
        self.prepare(id)?;
        if verb == Verb::Exec {
            self.before = self.look_at_init(id)?;
        }
        let run = tracer::run(&mut lab.command(&self.args(id), true)?, None, self.rest(false))?;
        if run.ending != Ending::Exited(verb.success()) {
            return Err(format!("{:?}: {}", run.ending, lab.stderr()).into());
        }
        let mut problems = Vec::new();
        match verb {
            Verb::Delete => {}
            Verb::Run => self.usual = lab.stdout(),
            _ => self.usual = self.look(id, &mut problems)?,
        }
        if lab.workload.is_module() && matches!(verb, Verb::Create | Verb::Exec) {
            self.check_compiled(&mut problems)?;
        }
        if lab.workload.compiles() {
            self.code = cache::entries().into_iter().find(|entry| entry.name.ends_with(".aot"));
            problems.extend(self.code.is_none().then(|| "nothing was compiled".to_owned()));
        }
        self.marks = Marks::find(&run.steps, verb.container(), lab.workload.is_module(), lab.workload.compiles());
        self.steps = run.steps;
        self.finish(id, &mut problems)?;
        problems.into_iter().next().map_or(Ok(()), |first| Err(first.into()))
    }

    /// The module runs as this workload says.
    fn check_compiled(&self, problems: &mut Vec<String>) -> Result<(), Error> {
        let pid = if self.verb == Verb::Exec { self.lab.exec_pid()? } else { self.lab.pid()? };
        let wanted = matches!(self.lab.workload, Workload::Cached | Workload::BeforeStart);
        if picture::is_compiled(pid)? != wanted {
            problems.push(format!("the module runs {}", if wanted { "interpreted" } else { "compiled" }));
        }
        Ok(())
    }

    /// The number of the next container, for a walk after this one.
    pub fn next_number(&self) -> usize {
        self.count
    }

    /// How many system calls the clean run made.
    pub fn length(&self) -> usize {
        self.steps.len()
    }

    /// The cases: every step with every fault, or a sample; of the compiler's own program a sample, unless `all` are asked for.
    pub fn cases(&self, full: bool, all: bool) -> Vec<Case> {
        let stride = self.lab.workload.stride(self.verb);
        let mut seen = HashSet::new();
        let mut cases = Vec::new();
        for (place, step) in self.steps.iter().enumerate() {
            let first = seen.insert((step.process, step.number)) && stride <= EACH_CALL;
            let full = full && (all || !self.marks.is_compiler_program(step, place));
            // A native payload's own affair; and what the kernel never does.
            let may_fail = step.can_fail() && (self.lab.workload.is_module() || !self.marks.is_guests(step, place));
            // Threads that wait for each other would do so for ever, up to the compiler's limit of time.
            let may_fail = may_fail && !(step.name() == "futex" && self.marks.is_compiler_program(step, place));
            if may_fail && registers::CAN_FAIL_CALLS && (full || first || place % stride == 0) {
                cases.extend(self.errors(step, place, full).map(|fault| Case { place, at: (*step, fault) }));
            }
            if full || place % stride == 2 {
                cases.push(Case { place, at: (*step, Fault::Kill) });
            }
        }
        cases
    }

    fn errors(&self, step: &Step, place: usize, all: bool) -> impl Iterator<Item = Fault> {
        const ERRORS: [Errno; 3] = [Errno::EPERM, Errno::ENOMEM, Errno::EINTR];
        let step = *step;
        let some = if all { &ERRORS[..] } else { &ERRORS[place % 3..=place % 3] };
        some.iter().filter(move |errno| !step.has_another_way(**errno)).map(|errno| Fault::Error(*errno))
    }

    /// Runs the cases one after the other.
    pub fn run(&mut self, cases: &[Case], tally: &mut Tally) -> Result<(), Error> {
        for case in cases {
            let id = self.next_id();
            let mut problems = Vec::new();
            if self.verbose {
                say(&format!("{} {case}", self.verb));
            }
            if let Err(error) = self.one(&id, case, tally, &mut problems) {
                problems.push(error.to_string());
            }
            if !problems.is_empty() {
                let more = problems.len().saturating_sub(SHOWN);
                problems.truncate(SHOWN);
                let more = if more == 0 { String::new() } else { format!("; and {more} more") };
                tally.failures += 1;
                say(&format!("FAIL {} {} {case}: {}{more}", self.lab.workload, self.verb, problems.join("; ")));
            }
            self.lab.sweep(&id)?;
        }
        Ok(())
    }

    fn one(&self, id: &str, case: &Case, tally: &mut Tally, problems: &mut Vec<String>) -> Result<(), Error> {
        self.prepare(id)?;
        let committed = self.marks.is_after_commit(&case.at.0, case.place);
        let run = tracer::run(&mut self.lab.command(&self.args(id), true)?, Some(&case.at), self.rest(committed))?;
        if run.injected {
            tally.injected += 1;
        } else {
            tally.not_reached += 1;
        }
        if run.hung {
            problems.push("hangs, or something outlives the parent".into());
        }
        self.judge(id, case, run.ending, tally, problems)?;
        self.finish(id, problems)
    }

    /// Whom the tracer lets go: the compiler, never.
    fn rest(&self, always: bool) -> Rest {
        Rest { always, watched: if self.lab.workload.compiles() { 2 } else { usize::MAX } }
    }

    fn next_id(&mut self) -> String {
        self.count += 1;
        self.lab.id(self.count)
    }

    fn args(&self, id: &str) -> Vec<String> {
        match self.verb {
            Verb::Create => self.lab.create_args(id),
            Verb::Start => vec!["start".into(), id.into()],
            Verb::Run => self.lab.run_args(id),
            Verb::Exec => self.lab.exec_args(id),
            Verb::Delete => vec!["delete".into(), "--force".into(), id.into()],
        }
    }

    /// Brings the container to where the command finds it.
    fn prepare(&self, id: &str) -> Result<(), Error> {
        self.lab.fresh_outputs();
        self.fill_cache()?;
        if !matches!(self.verb, Verb::Create | Verb::Run) {
            self.must(&self.lab.create_args(id))?;
            self.lab.fresh_outputs();
        }
        if matches!(self.verb, Verb::Delete | Verb::Exec) {
            let init = self.lab.pid()?;
            self.must(&["start".to_owned(), id.to_owned()])?;
            self.lab.payload_output(init)?;
            self.lab.fresh_outputs();
        }
        Ok(())
    }

    /// Puts the code into the cache, or takes it out, whichever this workload begins with.
    pub(crate) fn fill_cache(&self) -> Result<(), Error> {
        match self.lab.workload {
            Workload::Native => Ok(()),
            Workload::Cached => cache::set(self.code.as_ref()),
            _ => cache::set(None),
        }
    }

    /// `create` must succeed; a compiler that it begins is seen to its end.
    pub(crate) fn create_again(&self, id: &str) -> Result<(), Error> {
        if !self.lab.workload.compiles() {
            return self.must(&self.lab.create_args(id));
        }
        let run = tracer::run(&mut self.lab.command(&self.lab.create_args(id), true)?, None, self.rest(false))?;
        if run.ending == Ending::Exited(0) { Ok(()) } else { Err(format!("{:?}: {}", run.ending, self.lab.stderr()).into()) }
    }

    /// The runtime must succeed.
    pub(crate) fn must(&self, args: &[String]) -> Result<(), Error> {
        let call = self.lab.call(args)?;
        if call.code == Some(0) {
            return Ok(());
        }
        Err(format!("{} ended with {:?}: {}", args.join(" "), call.code, call.stderr.trim_end()).into())
    }
}
