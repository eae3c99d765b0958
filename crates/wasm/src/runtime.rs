//! What this build adds to the runtime: an engine for containers, a version, and the commands about compiled code. Parent side.

use crate::bundle;
use crate::cache::{self, Cache, Key, Maker};
use crate::compile::{self, Limits, Request, Tools};
use crate::handler::Module;
use anyhow::{Context, bail};
use skiff::{WasmCache, WasmCommand};
use skiff_launch::{Engine, Handler};
use skiff_plan::{Compile, HandlerKind, Settings, WasmPlan};
use skiff_sys::Args;
use std::cell::RefCell;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

/// The program beside this one that compiles.
const COMPILER: &str = "skiff-wasm-compiler";
/// WasmEdge's own default, for speed.
const OPTIMISE: u8 = 3;

/// WasmEdge, for [`skiff::main`].
#[derive(Debug)]
pub struct WasmEdge;

impl skiff::Wasm for WasmEdge {
    fn version(&self) -> String {
        format!("WasmEdge {}", crate::version())
    }

    fn engine<'a>(&self, plan: &'a WasmPlan, settings: &'a Settings, args: Args) -> Box<dyn Engine + 'a> {
        Box::new(ForContainer { plan, settings, args, missing: RefCell::new(None) })
    }

    fn command(&self, command: &WasmCommand, settings: &Settings) -> anyhow::Result<()> {
        let (out, cache) = (&mut io::stdout().lock() as &mut dyn Write, open_cache()?);
        match command {
            WasmCommand::Compile { path } => compile(out, path, cache, settings)?,
            WasmCommand::Cache(WasmCache::List) => compile::list(out, &cache)?,
            WasmCommand::Cache(WasmCache::Prune) => compile::prune(out, &cache, settings.cache_size, &Maker::here(OPTIMISE))?,
            WasmCommand::Cache(WasmCache::Verify) => {
                if !compile::verify(out, &cache)? {
                    bail!("not every entry was as it had been written");
                }
            }
        }
        Ok(())
    }
}

fn compile(out: &mut dyn Write, path: &Path, cache: Cache, settings: &Settings) -> anyhow::Result<()> {
    let (name, module) = bundle::open_module(path)?;
    let tools = tools().map_err(anyhow::Error::new)?;
    Ok(compile::compile(out, &name, module, cache, limits(settings), tools, Maker::here(OPTIMISE))?)
}

fn open_cache() -> anyhow::Result<Cache> {
    let directory = cache::directory(!skiff::is_real_root(), |name| std::env::var_os(name));
    let directory = directory.context("no directory for compiled code: neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(Cache::open(&directory)?)
}

fn tools() -> Result<Tools, compile::Error> {
    let own = skiff_launch::own_path().map_err(|error| compile::Error::Host(error.to_string()))?;
    Tools::here(&own.with_file_name(COMPILER))
}

fn limits(settings: &Settings) -> Limits {
    Limits { memory: settings.compile_memory, time: settings.compile_time, cache: settings.cache_size, ..Limits::default() }
}

/// The engine of one container.
#[derive(Debug)]
struct ForContainer<'a> {
    plan: &'a WasmPlan,
    settings: &'a Settings,
    args: Args,
    /// What was looked up in vain.
    missing: RefCell<Option<(Request, OwnedFd)>>,
}

impl Engine for ForContainer<'_> {
    fn handler(&self, _: HandlerKind) -> Box<dyn Handler + '_> {
        Box::new(Module::new(self.plan))
    }

    /// Without a cache, or a compiler, the module is interpreted: that is slower, and nothing else.
    fn compiled(&self, digest: [u8; 32], module: OwnedFd) -> Option<OwnedFd> {
        let (key, cache) = (Key { module: digest, maker: Maker::here(OPTIMISE) }, open_cache().ok()?);
        if let Some(code) = cache.lookup(&key) {
            return Some(code);
        }
        if self.plan.compile == Compile::Off {
            return None;
        }
        let (limits, tools, args) = (limits(self.settings), tools().ok()?, Some(self.args));
        let request = Request { cache, key: key.clone(), limits, tools, args, again: false };
        if self.plan.compile == Compile::Background {
            *self.missing.borrow_mut() = Some((request, module));
            return None;
        }
        compile::wait(request, module, None, &mut |_| {}).ok()?;
        open_cache().ok()?.lookup(&key)
    }

    fn compile(&self) {
        if let Some((request, module)) = self.missing.take() {
            // The next start tries again.
            let _ = compile::begin(request, module);
        }
    }
}
