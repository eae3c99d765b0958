//! `skiff run`: create and start; in the foreground also wait and delete.

use super::create;
use crate::Context;

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
        if args.detach {
            Ok(skiff_launch::run_detached(request).map(|()| 0)?)
        } else {
            let (code, warnings) = skiff_launch::run_foreground(request, args.keep)?;
            warnings.iter().for_each(|warning| context.log.warning(warning));
            Ok(code)
        }
    })
}
