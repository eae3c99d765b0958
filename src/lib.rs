//! skiff's command line as a library: reads argv, runs one command, prints its error once.

mod argv;
mod bytes;
mod cli;
mod commands;
mod duration;
mod error;
mod listen;
mod log;
mod output;
mod owner;
mod root;
mod settings;
mod signal;
mod stats;
mod table;
mod version;
mod view;
mod wasm;

pub use root::is_real_root;
pub use wasm::{Cache as WasmCache, Command as WasmCommand, Wasm};

use clap::Parser;
use cli::{Cli, Command, Global};
use log::Log;
use skiff_state::Store;
use skiff_sys::Args;

/// What every command gets.
struct Context {
    global: Global,
    log: Log,
    /// The arguments of this program.
    args: Args,
    /// In the second binary: its engine.
    wasm: Option<&'static dyn Wasm>,
    /// How many descriptors from 3 on the caller has left open, where anybody wants to know.
    inherited_fds: u32,
}

impl Context {
    /// Where the containers' state lies. Only commands that need it ask: it may make a directory.
    fn store(&self) -> anyhow::Result<Store> {
        Ok(Store::new(root::path(self.global.root.as_deref())?))
    }
}

/// What this process began with.
struct Start {
    args: Args,
    wasm: Option<&'static dyn Wasm>,
    inherited_fds: u32,
}

/// Runs the command line of this process; `wasm` is there in the second binary. Exit codes are runc's: 1 for every failure, usage
/// errors included; `run` in the foreground gives the container's own.
pub fn main(args: Args, wasm: Option<&'static dyn Wasm>) -> u8 {
    // Before anything is opened. Nobody asks for what is not to be handed on.
    let hands_on = args.mention("preserve-fds") || std::env::var_os("LISTEN_FDS").is_some();
    let inherited_fds = if hands_on { skiff_launch::inherited_fds() } else { 0 };
    let protected = protect(args);
    let argv = argv::normalise(std::env::args_os());
    match protected
        .map_err(|error| (Log::guess(&argv.words), error))
        .and_then(|()| run(&argv, Start { args, wasm, inherited_fds }))
    {
        Ok(code) => code,
        Err((log, error)) => {
            log.error(&error::text(&error));
            if argv.command.as_deref() == Some("exec") { commands::exec::FAILED } else { 1 }
        }
    }
}

/// The commands that start a process in a container must not lend it our executable. A container of such a name, or an option's
/// value, costs another command a needless round; nothing is allocated or parsed before it.
fn protect(args: Args) -> anyhow::Result<()> {
    if args.contain(&[c"create", c"run", c"exec"]) {
        skiff_launch::protect_executable(args)?;
    }
    Ok(())
}

/// The error comes with the log that it belongs to, which argv names even when the rest of it makes no sense.
fn run(argv: &argv::Argv, start: Start) -> Result<u8, (Log, anyhow::Error)> {
    let early = |error| (Log::guess(&argv.words), error);
    let cli = match Cli::try_parse_from(&argv.words) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => return Err(early(error::usage(&error))),
        Err(help) => return output::text(&help.to_string()).map(|()| 0).map_err(early),
    };
    let log = Log::new(&cli.global);
    dispatch(cli, &log, start).map_err(|error| (log, error))
}

fn dispatch(cli: Cli, log: &Log, start: Start) -> anyhow::Result<u8> {
    wasm::check_sibling()?;
    let Start { args, wasm, inherited_fds } = start;
    let context = Context { global: cli.global, log: log.clone(), args, wasm, inherited_fds };
    let Some(command) = cli.command else {
        let text = if context.global.version { version::text(&context) } else { cli::help() };
        return output::text(&text).map(|()| 0);
    };
    match command {
        Command::Create(args) => commands::create::run(&args, &context),
        Command::Exec(args) => return commands::exec::run(&args, &context),
        Command::Start(args) => commands::start::run(&args, &context),
        Command::State(args) => commands::state::run(&args, &context),
        Command::Kill(args) => commands::kill::run(&args, &context),
        Command::Delete(args) => commands::delete::run(&args, &context),
        Command::Run(args) => return commands::run::run(&args, &context),
        Command::List(args) => commands::list::run(&args, &context),
        Command::Pause(args) => commands::pause::pause(&args, &context),
        Command::Resume(args) => commands::pause::resume(&args, &context),
        Command::Update(args) => commands::update::run(&args, &context),
        Command::Events(args) => commands::events::run(&args, &context),
        Command::Ps(args) => commands::ps::run(&args, &context),
        Command::Spec(args) => commands::spec::run(&args),
        Command::Features => commands::features::run(&context),
        Command::Wasm { command } => wasm::run(&command, &context),
    }?;
    Ok(0)
}
