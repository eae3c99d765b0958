//! A module from its file to its exit code. [`Loaded::new`] does all that can fail; from [`Loaded::run`] on there is guest code.

use crate::compile::with_code;
use crate::engine::{Ended, Engine, Failure, Host, Settings};
use crate::entry::Entry;
use crate::limits::Limits;
use crate::refusal::Refusal;
use crate::report::Run;
use crate::shape::Shape;
use crate::wasi::World;
use crate::{engine, entry, fault, heap, imports, limits, log, logging, plugin, report, signals, wasi};
use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::ptr;
use std::time::Duration;

/// Memory that the interpreter's form of a module takes for each byte of its code: 28 were seen for QuickJS and SQLite.
const INTERPRETED: u64 = 30;
/// What the engine takes for each byte of native code, copies and what is known of the functions included: 4 to 5 were seen.
const COMPILED: u64 = 6;

/// Native code, as the cache has it, which the caller trusts like this program; and the very bytes that it was made of: the file
/// could hold others by now, and code runs with no module but its own.
#[derive(Debug)]
pub struct Compiled {
    /// The module.
    pub module: Vec<u8>,
    /// The section that the compiler has added to it.
    pub code: Vec<u8>,
}

/// A module that is ready to run.
pub struct Loaded {
    engine: Engine,
    wasi: Host,
    entry: Entry,
    source: Source,
    compiled: bool,
    memories: usize,
    max_memory: Option<u64>,
    fuel: Option<u64>,
    timeout: Option<Duration>,
}

/// How a run ended. What ends it from outside does so at once and without one: a signal (128 plus its number), the wall clock
/// (124), recursion without end (134).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It ended by itself; the code is what waitpid shows of it.
    Exit(u8),
    /// A trap: the report for stderr, whole lines.
    Trap(String),
}

impl Outcome {
    /// What the process exits with: 134 for a trap, as for a native program that aborts.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Exit(code) => *code,
            Self::Trap(_) => fault::TRAPPED as u8,
        }
    }
}

impl Loaded {
    /// Loads a module, checks it, and opens its world. `known` goes before what the file holds; without it no native code is
    /// used.
    ///
    /// The file may be closed afterwards. What stays open is in `world`: the streams, and one descriptor for each preopen.
    ///
    /// # Errors
    /// [`Refusal`]: why it cannot be run.
    pub fn new(module: &File, known: Option<Compiled>, limits: &Limits, world: &World<'_>) -> Result<Self, Refusal> {
        log::take_over();
        engine::check_version()?;
        let (bytes, code) = match known {
            Some(known) => (known.module, Some(known.code)),
            None => (read(module)?, None),
        };
        let shape = Shape::read(&bytes)?;
        let entry = entry::find(&shape, limits.entry.as_deref())?;
        limits.check_address_space(shape.memories.len())?;
        limits.check_descriptors(world.preopens.len())?;
        // Compiled code counts no instructions.
        let compiled = code.filter(|_| limits.fuel.is_none()).and_then(|code| with_code(&bytes, &code));
        let form = compiled.as_ref().map_or(shape.code * INTERPRETED, |whole| (whole.len() - bytes.len()) as u64 * COMPILED);
        let limits = limits.beside(form, &shape.memories);
        let settings = Settings { compiled: compiled.is_some(), pages: limits.pages(&shape.memories)?, fuel: limits.fuel };
        let engine = Engine::load(compiled.as_deref().unwrap_or(&bytes), &settings)?;
        let wasi = wasi::module(world)?;
        let mut hosts = vec![wasi, logging::module()?];
        for name in &limits.plugins {
            hosts.extend(plugin::modules(name)?);
        }
        imports::check(&shape, &hosts)?;
        hosts.iter().try_for_each(|host| engine.offer(host))?;
        Ok(Self {
            engine,
            wasi,
            entry,
            source: Source::map(module, bytes.len()),
            compiled: settings.compiled,
            memories: shape.memories.len(),
            max_memory: limits.max_memory,
            fuel: limits.fuel,
            timeout: world.timeout,
        })
    }

    /// Runs it to its end. Takes signals, the stack and the heap over: the process is the guest's from here on.
    #[must_use]
    pub fn run(self) -> Outcome {
        signals::end_at_once();
        if !limits::can_reserve(self.memories) {
            return Outcome::Trap(
                "wasm: the engine cannot reserve its address space: RLIMIT_AS or the kernel's overcommit policy forbids it\n"
                    .into(),
            );
        }
        fault::arm();
        heap::arm(self.max_memory);
        if let Some(timeout) = self.timeout {
            signals::end_after(timeout);
        }
        let mut called = None;
        let ended = self.call(&mut called);
        heap::disarm();
        match ended {
            Ok(Ended::Returned(Some(value))) => Outcome::Exit(value as u8),
            Ok(_) => Outcome::Exit(wasi::exit_code(&self.wasi) as u8),
            Err(failure) => {
                fault::without_module();
                let run = Run { module: self.source.bytes(), called, compiled: self.compiled, fuel: self.fuel };
                Outcome::Trap(report::trap(&failure, &run))
            }
        }
    }

    /// `called` is the function that runs or ran last.
    fn call<'a>(&'a self, called: &mut Option<&'a str>) -> Result<Ended, Failure> {
        let Some(instance) = self.engine.instantiate()? else { return Ok(Ended::Exited) };
        if let Some(initialize) = self.entry.initialize {
            *called = Some(initialize);
            if self.engine.call(&instance, initialize, false)? == Ended::Exited {
                return Ok(Ended::Exited);
            }
        }
        *called = Some(&self.entry.name);
        self.engine.call(&instance, &self.entry.name, self.entry.returns)
    }
}

/// A whole module.
pub(crate) fn read(mut file: &File) -> Result<Vec<u8>, Refusal> {
    let failed = |error: std::io::Error| Refusal::Engine(format!("read the module: {}", crate::refusal::errno(&error)));
    if u32::try_from(file.metadata().map_err(failed)?.len()).is_err() {
        return Err(Refusal::Invalid("it is larger than 4 GiB".into()));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The file again, for a report: mapped, so that it costs nothing as long as nobody looks.
struct Source(*const libc::c_void, usize);

impl Source {
    fn map(file: &File, length: usize) -> Self {
        // SAFETY: a fresh private mapping at an address of the kernel's choice; it stays for ever.
        let at = unsafe { libc::mmap(ptr::null_mut(), length, libc::PROT_READ, libc::MAP_PRIVATE, file.as_raw_fd(), 0) };
        if at == libc::MAP_FAILED { Self(ptr::null(), 0) } else { Self(at, length) }
    }

    fn bytes(&self) -> &[u8] {
        if self.0.is_null() {
            return &[];
        }
        // SAFETY: a readable mapping of this length that stays for ever. Somebody who shortens the file meanwhile gets us a
        // SIGBUS, for which `fault::without_module` has prepared: the run is over by then.
        unsafe { std::slice::from_raw_parts(self.0.cast(), self.1) }
    }
}
