//! `skiff run`: create and start; in the foreground also wait and delete.

use super::create;
use crate::Context;
use skiff_launch::Request;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    create: create::Args,
    /// Return when the container's process runs
    #[arg(short, long)]
    detach: bool,
    /// Do not delete the container when its process ends
    #[arg(long)]
    keep: bool,
}

/// The exit code is the container's in the foreground (128 and the signal, when one ended it), else 0.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<u8> {
    args.create.launch(context, |request| {
        if args.detach { detached(request) } else { Ok(skiff_launch::run_foreground(request, args.keep)?) }
    })
}

/// A container that does not start is of no use to anybody: it goes again.
fn detached(request: &Request<'_>) -> anyhow::Result<u8> {
    let created = skiff_launch::create(request)?;
    if let Err(error) = skiff_launch::start(&created.dir) {
        // The first error is the one to tell.
        let _ = skiff_launch::delete(request.store, request.id, true);
        return Err(error.into());
    }
    Ok(0)
}
