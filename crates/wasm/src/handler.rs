//! The handler of a container whose process is, or may be, a module. All of it runs in init; docs/architecture.md ("The launch")
//! says when each method is called.

use crate::program::{self, Program};
use crate::walls::Walls;
use crate::{Compiled, Limits, Loaded, Outcome, Refusal, World, cache, given, hide, loaded, plugin, signals};
use nix::errno::Errno;
use skiff_launch::{Fault, Handler, Native, Parent};
use skiff_plan::{Process, WasmPlan};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Exit code where the guest could not be started after all, as a failed execve's.
const NOT_STARTED: i32 = 255;

const SMART: &str =
    "; for a container that is not always a module use run.oci.handler=wasm-smart, or module.wasm.image/variant=compat-smart";

/// See the module.
pub(crate) struct Module<'a> {
    plan: &'a WasmPlan,
    /// The plugins' files, looked at by the parent.
    files: Result<Vec<PathBuf>, Refusal>,
    /// Those that are loaded, by their names.
    plugins: Vec<String>,
    /// What the parent knows compiled code of.
    known: Option<(program::Identity, Compiled)>,
    /// The process' memory is hidden from a module.
    hidden: bool,
    becomes: Option<Becomes>,
}

/// What the file turned out to be.
enum Becomes {
    Native(Native),
    Guest(Loaded, Walls),
}

impl<'a> Module<'a> {
    /// Parent side.
    pub(crate) fn new(plan: &'a WasmPlan) -> Self {
        let directory = plan.plugin_dir.as_deref().unwrap_or(Path::new(""));
        let files = plan.plugins.iter().map(|name| plugin::checked(directory, name)).collect();
        Module { plan, files, plugins: Vec::new(), known: None, hidden: false, becomes: None }
    }

    /// Decides by the file's first bytes, and loads a module.
    fn become_something(&mut self, process: &Process) -> Result<Becomes, Fault> {
        let program = match Program::find(process) {
            Ok(program) if program.is_ours(self.plan) => program,
            Err(fault) if self.plan.strict => return Err(fault),
            // The native handler looks for itself, and has the words that clients know.
            Ok(_) | Err(_) => return native(process),
        };
        if !self.hidden {
            // The container may have changed the file meanwhile.
            let why = "it was no module, or could not be read, when its process could still be hidden from it";
            return Err(Fault::new(Errno::EACCES, format!("exec: \"{}\": {why}", program.name)));
        }
        close_handed_on().map_err(|errno| Fault::new(errno, "close the descriptors that were handed on"))?;
        let loaded = self.load(&program, process).map_err(|refusal| refused(&program, &refusal))?;
        let walls =
            Walls::new(&self.plan.preopens, self.plan.sockets).map_err(|error| Fault::new(Errno::EPERM, error.to_string()))?;
        Ok(Becomes::Guest(loaded, walls))
    }

    fn load(&mut self, program: &Program, process: &Process) -> Result<Loaded, Refusal> {
        let known = self.known.take().filter(|(identity, _)| *identity == program.identity).map(|(_, known)| known);
        let limits = Limits {
            max_memory: self.plan.max_memory,
            container: self.plan.container_memory,
            fuel: self.plan.fuel,
            address_space: given::rlimit(process, libc::RLIMIT_AS),
            descriptors: given::rlimit(process, libc::RLIMIT_NOFILE),
            entry: program.function.clone(),
            plugins: self.plugins.clone(),
        };
        let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
        let world = World {
            args: given::arguments(process, program),
            env: given::environment(process, self.plan)?,
            preopens: self.plan.preopens.iter().map(given::preopen).collect(),
            stdio: [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()],
            landlock: crate::walls::has_landlock(),
            sockets: self.plan.sockets,
            timeout: self.plan.timeout,
        };
        Loaded::new(&program.file, known, &limits, &world)
    }
}

impl Handler for Module<'_> {
    fn load(&mut self) -> Result<(), Fault> {
        let loaded = self.files.clone().and_then(|files| files.iter().map(|file| plugin::load(file)).collect());
        self.plugins = loaded.map_err(|refusal| Fault::new(Errno::EACCES, refusal.to_string()))?;
        Ok(())
    }

    fn find(&mut self, process: &Process, parent: &dyn Parent) -> Result<(), Fault> {
        let program = Program::find(process);
        // In a strict container nothing but a module runs, whether or not it can be read with all rights.
        if !program.as_ref().map_or(self.plan.strict, |program| program.is_ours(self.plan)) {
            return Ok(());
        }
        hide::own_memory(&self.plan.preopens)?;
        self.hidden = true;
        // What cannot be read with all rights (a directory of another machine's) is interpreted: only the user's own look
        // decides.
        let Some(program) = program.ok().filter(|_| !self.plan.interpret) else { return Ok(()) };
        let Ok(module) = loaded::read(&program.file) else { return Ok(()) };
        let Some(found) = parent.compiled(cache::sum(&module), program.file.as_fd())? else { return Ok(()) };
        let mut code = Vec::new();
        let is_whole = File::from(found).read_to_end(&mut code).is_ok();
        self.known = is_whole.then_some((program.identity, Compiled { module, code }));
        Ok(())
    }

    fn prepare(&mut self, process: &Process) -> Result<(), Fault> {
        let becomes = self.become_something(process)?;
        if let Becomes::Guest(..) = becomes {
            // The first process of a PID namespace would not even notice them while it waits for its start.
            signals::end_at_once();
        }
        self.becomes = Some(becomes);
        Ok(())
    }

    fn executes(&self) -> bool {
        !matches!(self.becomes, Some(Becomes::Guest(..)))
    }

    fn run(&mut self, process: &Process, fifo: Option<OwnedFd>) -> ! {
        match self.becomes.take() {
            Some(Becomes::Native(mut native)) => native.run(process, fifo),
            Some(Becomes::Guest(loaded, walls)) => run(loaded, walls, fifo),
            None => skiff_sys::exit_now(NOT_STARTED),
        }
    }
}

fn native(process: &Process) -> Result<Becomes, Fault> {
    let mut native = Native::default();
    native.prepare(process)?;
    Ok(Becomes::Native(native))
}

/// What the caller has handed on lies from 3 on, and is all that would outlive an execve. A module has no way to use it.
fn close_handed_on() -> nix::Result<()> {
    // SAFETY: asks for a flag of a number, whatever that is.
    let outlives = |fd: &u32| unsafe { libc::fcntl(*fd as i32, libc::F_GETFD) } == 0;
    (3..).take_while(outlives).try_for_each(|fd| skiff_sys::close_range(fd, fd))
}

/// The guest, from the start byte to its end.
fn run(loaded: Loaded, walls: Walls, fifo: Option<OwnedFd>) -> ! {
    if let Some(fifo) = fifo {
        while nix::unistd::read(&fifo, &mut [0u8]) != Ok(1) {}
    }
    if let Err(error) = walls.raise() {
        say(&format!("{error}\n"));
        skiff_sys::exit_now(NOT_STARTED);
    }
    let outcome = loaded.run();
    if let Outcome::Trap(report) = &outcome {
        say(report);
    }
    skiff_sys::exit_now(outcome.code().into())
}

/// Not through the library's stderr: nothing of it is to be flushed later.
fn say(text: &str) {
    let _ = nix::unistd::write(std::io::stderr(), text.as_bytes());
}

fn refused(program: &Program, refusal: &Refusal) -> Fault {
    let advice = if *refusal == Refusal::NotWasm { SMART } else { "" };
    Fault::new(Errno::ENOEXEC, format!("exec: \"{}\": {refusal}{advice}", program.name))
}
