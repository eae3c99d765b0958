//! `skiff state`: prints a container's state as JSON. Clients parse stdout and stderr joined together.

use crate::view::View;
use crate::{Context, output};

/// No newline at the end: so does runc.
pub(crate) fn run(args: &super::Id, context: &Context) -> anyhow::Result<()> {
    let (view, _) = View::of(&context.store()?, &args.id)?;
    output::text(&output::pretty(&view, "  ")?)
}
