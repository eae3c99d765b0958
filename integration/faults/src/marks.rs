//! Landmarks of a clean run, by which a step is told to be before or after something was said.

use crate::fault::Step;

/// The first process of the compiler, where there is one: the parent is 0, init 1.
const COMPILER: usize = 2;
/// The compiler's worker, behind the process in between and the monitor.
const WORKER: usize = 4;

/// See the module. Places are indices into the run's steps.
#[derive(Debug, Default)]
pub struct Marks {
    /// The process that becomes the container's.
    container: usize,
    compiles: bool,
    /// The parent says Committed, the last that it says to init.
    committed: Option<usize>,
    /// The container's process says Ready.
    ready: Option<usize>,
    /// What is not the runtime's any more begins.
    guest: Option<usize>,
    /// init asks for compiled code, and the parent answers.
    question: Option<(usize, usize)>,
    /// The worker executes the compiler.
    compiler: Option<usize>,
    /// The parent has waited for the container's end.
    over: Option<usize>,
}

impl Marks {
    /// Finds them in the steps of a run that made a process of a container, which is number `container`.
    pub fn find(steps: &[Step], container: usize, module: bool, compiles: bool) -> Marks {
        let by = |process: usize| move |step: &Step| step.process == process;
        let told = |step: &Step| step.process == 0 && matches!(step.name().as_str(), "sendto" | "sendmsg");
        let committed = steps.iter().rposition(told);
        let before = &steps[..committed.unwrap_or(0)];
        let last = |name: &str| steps.iter().rposition(|step| by(container)(step) && step.name().starts_with(name));
        let asked = before.iter().position(|step| module && by(container)(step) && step.name() == "sendmsg");
        let answered = asked.and_then(|asked| before.iter().skip(asked).position(told).map(|place| asked + place));
        Marks {
            container,
            compiles,
            committed,
            ready: before.iter().rposition(|step| by(container)(step) && step.sends()),
            guest: last(if module { "seccomp" } else { "execve" }).filter(|place| Some(*place) > committed),
            question: asked.zip(answered),
            over: steps.iter().rposition(|step| step.process == 0 && step.name() == "wait4"),
            compiler: steps.iter().rposition(|step| compiles && by(WORKER)(step) && step.name() == "execve"),
        }
    }

    /// The parent has sent Committed: from there on init stays, whatever happens to the parent.
    pub fn is_after_commit(&self, step: &Step, place: usize) -> bool {
        step.process == 0 && self.committed.is_some_and(|committed| place > committed)
    }

    /// The container's process has said Ready: if it ends from there on, the command may have succeeded already.
    pub fn is_after_ready(&self, step: &Step, place: usize) -> bool {
        step.process == self.container && self.ready.is_some_and(|ready| place > ready)
    }

    /// The payload's own step, or of a process that it has made.
    pub fn is_guests(&self, step: &Step, place: usize) -> bool {
        step.process >= self.container && self.guest.is_some_and(|guest| place > guest)
    }

    /// What the parent does after the container's end.
    pub fn is_over(&self, step: &Step, place: usize) -> bool {
        step.process == 0 && self.over.is_some_and(|over| place > over)
    }

    /// The parent looks compiled code up, or has it made: whatever fails there, the module can be interpreted.
    pub fn is_look_up(&self, step: &Step, place: usize) -> bool {
        step.process == 0 && self.question.is_some_and(|(asked, answered)| asked < place && place < answered)
    }

    /// The compiler's, from its first process on.
    pub fn is_compilers(&self, step: &Step) -> bool {
        self.compiles && step.process >= COMPILER
    }

    /// The program that reads the module: how it fails cannot be told from the module's own fault.
    pub fn is_compiler_program(&self, step: &Step, place: usize) -> bool {
        self.compiles && step.process >= WORKER && self.compiler.is_some_and(|compiler| place >= compiler)
    }
}
