//! `skiff pause` and `skiff resume`.

use super::Id;
use crate::Context;

/// Returns when every process of the container stands still.
pub(crate) fn pause(args: &Id, context: &Context) -> anyhow::Result<()> {
    Ok(skiff_launch::pause(&context.store()?.open(&args.id)?)?)
}

/// Returns when they run again.
pub(crate) fn resume(args: &Id, context: &Context) -> anyhow::Result<()> {
    Ok(skiff_launch::resume(&context.store()?.open(&args.id)?)?)
}
