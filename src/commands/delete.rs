//! `skiff delete`: removes a container and everything that belongs to it.

use crate::Context;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Kill a running container; an unknown id is no error
    #[arg(short, long)]
    force: bool,
    /// The container's id
    id: String,
}

/// Whether the container exists is launch's to find out: with force it also clears what a killed `create` left.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    skiff_state::check_id(&args.id)?;
    let warnings = skiff_launch::delete(&context.store()?, &args.id, args.force)?;
    warnings.iter().for_each(|warning| context.log.warning(warning));
    Ok(())
}
