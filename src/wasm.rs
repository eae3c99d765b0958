//! The second binary: what it adds to this library, and how the first hands a call over to it.

use crate::{Context, version};
use anyhow::bail;
use skiff_launch::Engine;
use skiff_plan::{Settings, WasmPlan};
use skiff_sys::Args;
use std::fmt::Debug;
use std::path::PathBuf;
use std::process::Stdio;

/// What `skiff-wasm` adds.
pub trait Wasm: Debug {
    /// The engine's name and version.
    fn version(&self) -> String;

    /// The engine for one container; `args` are those of this program.
    fn engine<'a>(&self, plan: &'a WasmPlan, settings: &'a Settings, args: Args) -> Box<dyn Engine + 'a>;

    /// `skiff wasm`.
    ///
    /// # Errors
    /// What the command complains of.
    fn command(&self, command: &Command, settings: &Settings) -> anyhow::Result<()>;
}

/// `skiff wasm`, about compiled code.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Compile a module, or that of a bundle, for later starts
    Compile {
        /// A .wasm file, or a bundle
        #[arg(value_name = "PATH|BUNDLE")]
        path: PathBuf,
    },
    /// Look after the compiled code
    #[command(subcommand)]
    Cache(Cache),
}

/// `skiff wasm cache`.
#[derive(Debug, Clone, Copy, clap::Subcommand)]
pub enum Cache {
    /// Show what there is
    List,
    /// Remove what is too much or of no use any more
    Prune,
    /// Read every entry, and remove those that are not what they should be
    Verify,
}

/// The name of the second binary, which lies beside the first.
const SIBLING: &str = "skiff-wasm";

/// Goes on as the second binary, if this is the first and the other is there. Nothing may have happened yet.
pub(crate) fn hand_over(context: &Context) -> anyhow::Result<()> {
    if context.wasm.is_none() {
        skiff_launch::become_sibling(SIBLING, context.args, &version::build())?;
    }
    Ok(())
}

/// The engine that containers here get, if any: this binary's, or what the second one says of itself. One that cannot run is
/// none.
pub(crate) fn engine(context: &Context) -> Option<String> {
    if let Some(wasm) = context.wasm {
        return Some(wasm.version());
    }
    let sibling = skiff_launch::own_path().ok()?.with_file_name(SIBLING);
    let answer = std::process::Command::new(sibling).arg("--version").stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(answer.stdout).ok().filter(|_| answer.status.success())?;
    let ours = text.lines().any(|line| line.strip_prefix("commit: ") == Some(version::COMMIT));
    text.lines().find_map(|line| line.strip_prefix("wasm: ")).filter(|_| ours).map(str::to_owned)
}

/// Both binaries are built from one source, or they would not understand each other's records.
pub(crate) fn check_sibling() -> anyhow::Result<()> {
    match skiff_launch::sibling_build() {
        Some(build) if build != *version::build() => {
            bail!("skiff is {}, and {SIBLING} beside it is {}: install what belongs together", build.display(), version::build())
        }
        _ => Ok(()),
    }
}

/// Runs `skiff wasm`.
pub(crate) fn run(command: &Command, context: &Context) -> anyhow::Result<()> {
    hand_over(context)?;
    match context.wasm {
        Some(wasm) => wasm.command(command, &crate::settings::load()?),
        None => bail!("{SIBLING}, which has the WebAssembly engine, does not lie beside skiff: see docs/wasm.md"),
    }
}
