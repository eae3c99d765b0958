//! `skiff kill`: sends a signal to a container's first process, or to all of them.

use crate::{Context, signal};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// To every process of the container; a stopped container is then no error
    #[arg(short, long)]
    all: bool,
    /// The container's id
    id: String,
    /// Number or name, with or without SIG, in any case
    #[arg(default_value = "TERM")]
    signal: String,
}

/// Fails with [`skiff_state::NOT_RUNNING`] when the container has stopped.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let signal = signal::parse(&args.signal)?;
    let dir = context.store()?.open(&args.id)?;
    Ok(skiff_launch::kill(&dir, signal, args.all)?)
}
