//! What a WebAssembly module may do in its container: the default of skiff.toml, changed by annotations, below the
//! administrator's ceiling. Parent side, pure.

mod annotations;
mod ceiling;
mod memory;
mod preopen;
#[cfg(test)]
mod tests;
pub(crate) mod units;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use oci_spec::runtime::Spec;
use serde::{Deserialize, Serialize};

use crate::handler::{self, Mode};
use crate::{Error, HandlerKind, Options, Settings};
pub use annotations::ANNOTATIONS;
use annotations::{Asked, error};
pub use ceiling::Ceiling;
pub use memory::memory_for_guest;
pub(crate) use preopen::absolute;
pub use preopen::{Allowed, Preopen};
pub use units::Names;

/// A page of linear memory, bytes.
pub(crate) const PAGE: u64 = 65536;

/// How a module runs. There is one for every container whose process is or may be a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WasmPlan {
    /// What is no module is an error; else it runs natively.
    pub strict: bool,
    /// Nothing but sniffing asks for WebAssembly: whatever the kernel would execute, and every doubt, is native.
    pub sniffed: bool,
    /// Directories that it finds open.
    pub preopens: Vec<Preopen>,
    /// It has WasmEdge's socket extension.
    pub sockets: bool,
    /// Names of the variables of `process.env` that it sees; `None`: all.
    pub env: Option<Vec<String>>,
    /// For all its linear memories together, bytes.
    pub max_memory: Option<u64>,
    /// The container's limit, bytes, where that counts: what the engine needs for the module is to be taken off as well.
    pub container_memory: Option<u64>,
    /// Wall-clock time, above zero.
    pub timeout: Option<Duration>,
    /// Instructions, at least 1; `interpret` is set then, since only the interpreter counts.
    pub fuel: Option<u64>,
    /// Plugins by their names.
    pub plugins: Vec<String>,
    /// Where they lie on the host, absolute; set if there are any.
    pub plugin_dir: Option<PathBuf>,
    /// Whether compiled code is made where there is none.
    pub compile: Compile,
    /// Compiled code is not used.
    pub interpret: bool,
}

/// When a module is compiled, from the least eager on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Compile {
    /// Never; what has been compiled already is used.
    Off,
    /// Beside the first start, for later ones.
    Background,
    /// The first start waits for it.
    BeforeStart,
}

/// What a container has that asks for nothing by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// What crun gives: the whole root, sockets, all variables.
    Crun,
    /// Nothing but stdio.
    Deny,
}

impl Compile {
    pub(crate) fn read(text: &str) -> Result<Compile, String> {
        choose(text, &[("off", Compile::Off), ("background", Compile::Background), ("before-start", Compile::BeforeStart)])
    }
}

impl fmt::Display for Compile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Compile::Off => "off",
            Compile::Background => "background",
            Compile::BeforeStart => "before-start",
        })
    }
}

impl Profile {
    pub(crate) fn read(text: &str) -> Result<Profile, String> {
        choose(text, &[("crun", Profile::Crun), ("deny", Profile::Deny)])
    }
}

fn choose<T: Copy>(text: &str, known: &[(&str, T)]) -> Result<T, String> {
    let found = known.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    let names = || known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| format!("`{text}` is none of {}", names()))
}

/// Who runs the process, and how if it is a module. The annotations are checked even where nothing comes of them: a pod's
/// native sidecar gets them, too.
///
/// # Errors
/// [`Error::Invalid`] with the annotation, and the ceiling that is in its way.
pub(crate) fn resolve(spec: &Spec, options: &Options) -> Result<(HandlerKind, Option<WasmPlan>), Error> {
    let none = HashMap::new();
    let annotations = spec.annotations().as_ref().unwrap_or(&none);
    if handler::is_sandbox(annotations) {
        return Ok((HandlerKind::Native, None));
    }
    let settings = &options.settings;
    let asked = Asked::read(annotations)?;
    let sniff = within("sniff", asked.sniff, |sniff| settings.ceiling.sniff(*sniff))?.unwrap_or(settings.sniff);
    let mode = handler::mode(annotations, options.called_wasm, sniff)?;
    let plan = plan(asked, settings, memory::of_container(spec), mode)?;
    let kind = match mode {
        Mode::Native => return Ok((HandlerKind::Native, None)),
        Mode::Strict => HandlerKind::Wasm,
        Mode::Smart | Mode::Sniffed => HandlerKind::Maybe,
    };
    not_spin(spec, mode)?;
    Ok((kind, Some(plan)))
}

/// Spin's images have `/` for a command, which nothing else can have.
fn not_spin(spec: &Spec, mode: Mode) -> Result<(), Error> {
    let command = spec.process().as_ref().and_then(|process| process.args().as_ref()?.first());
    if mode != Mode::Sniffed && command.is_some_and(|command| command == "/") {
        let why = "`/` is the command of a Spin application, which needs Spin's own shim: skiff runs modules with a WASI preview 1 interface";
        return Err(Error::invalid("process.args", why));
    }
    Ok(())
}

fn plan(asked: Asked, settings: &Settings, limit: Option<u64>, mode: Mode) -> Result<WasmPlan, Error> {
    let ceiling = &settings.ceiling;
    let parts = (asked.preopens.is_none(), asked.sockets.is_none(), asked.env.is_none());
    within("profile", asked.profile, |profile| ceiling.profile(*profile, parts.0, parts.1, parts.2))?;
    let (compile, interpret) = engine(&asked, settings)?;
    let plugins = plugins(asked.plugins, settings)?;
    let crun = asked.profile.unwrap_or(settings.profile) == Profile::Crun;
    let preopens = within("preopens", asked.preopens, |list| {
        list.iter().try_for_each(|preopen| ceiling.preopen(&preopen.path, preopen.read_only))
    })?;
    let sockets = within("sockets", asked.sockets, |sockets| ceiling.sockets(*sockets))?;
    let env = within("env", asked.env, |names| ceiling.env(names))?;
    let memory = within("memory", asked.memory, |bytes| ceiling.memory(*bytes))?;
    let timeout = within("timeout", asked.timeout, |time| ceiling.timeout(*time))?;
    Ok(WasmPlan {
        strict: mode == Mode::Strict,
        sniffed: mode == Mode::Sniffed,
        preopens: preopens.unwrap_or_else(|| ceiling.root().filter(|_| crun).into_iter().collect()),
        sockets: sockets.unwrap_or(crun && ceiling.sockets),
        env: match env.unwrap_or_else(|| if crun { ceiling.env.clone() } else { Names::Only(Vec::new()) }) {
            Names::All => None,
            Names::Only(names) => Some(names),
        },
        max_memory: memory.or_else(|| limit.map(|limit| memory_for_guest(limit, 0)).into_iter().chain(ceiling.max_memory).min()),
        container_memory: limit.filter(|_| memory.is_none()),
        timeout: timeout.or(ceiling.max_timeout),
        fuel: asked.fuel,
        plugin_dir: settings.plugin_dir.clone().filter(|_| !plugins.is_empty()),
        plugins,
        compile,
        interpret,
    })
}

/// What was asked for, if the ceiling is not below it.
fn within<T>(name: &str, asked: Option<T>, check: impl FnOnce(&T) -> Result<(), String>) -> Result<Option<T>, Error> {
    asked.as_ref().map_or(Ok(()), check).map_err(|why| error(name, why))?;
    Ok(asked)
}

/// Fuel is counted by the interpreter only, and nothing is compiled for a container that never uses it.
fn engine(asked: &Asked, settings: &Settings) -> Result<(Compile, bool), Error> {
    let ceiling = &settings.ceiling;
    let interpret = within("interpret", asked.interpret, |interpret| ceiling.interpret(*interpret))?;
    if asked.fuel.is_some() {
        ceiling.interpret(true).map_err(|why| error("fuel", format!("only the interpreter counts: {why}")))?;
        if interpret == Some(false) {
            return Err(error("fuel", "only the interpreter counts, and org.skiff.wasm.interpret is false".to_owned()));
        }
    }
    let compile = within("compile", asked.compile, |compile| ceiling.compile(*compile))?;
    let interpret = interpret.unwrap_or(asked.fuel.is_some());
    Ok((if interpret { Compile::Off } else { compile.unwrap_or(settings.compile) }, interpret))
}

fn plugins(asked: Option<Vec<String>>, settings: &Settings) -> Result<Vec<String>, Error> {
    let names = Names::Only(asked.unwrap_or_default());
    settings.ceiling.plugins(&names).map_err(|why| error("plugins", why))?;
    match names {
        Names::Only(names) if !names.is_empty() && settings.plugin_dir.is_none() => {
            Err(error("plugins", format!("`{}`: skiff.toml names no wasm.plugin_dir", names[0])))
        }
        Names::Only(names) => Ok(names),
        Names::All => Ok(Vec::new()),
    }
}
