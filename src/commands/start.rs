//! `skiff start`: lets a created container's process go.

use crate::Context;

/// Returns when the container's program runs.
pub(crate) fn run(args: &super::Id, context: &Context) -> anyhow::Result<()> {
    let dir = context.store()?.open(&args.id)?;
    Ok(skiff_launch::start(&dir)?)
}
