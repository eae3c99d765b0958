//! `skiff list`: the containers of one state directory.

use super::Format;
use crate::view::View;
use crate::{Context, output, table};
use anyhow::Context as _;
use skiff_state::Store;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Only the ids
    #[arg(short, long)]
    quiet: bool,
}

/// A missing default state directory means that there are no containers; one that the caller named must be there.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let store = context.store()?;
    if context.global.root.is_some() {
        std::fs::metadata(store.root()).with_context(|| format!("open {}", store.root().display()))?;
    }
    output::text(&match (args.quiet, args.format) {
        (true, _) => store.ids()?.iter().map(|id| format!("{id}\n")).collect(),
        (false, Format::Table) => table::layout(&rows(&views(&store)?)),
        (false, Format::Json) => json(&views(&store)?)?,
    })
}

/// A container that is deleted while we look, or has no record, is left out.
fn views(store: &Store) -> anyhow::Result<Vec<View>> {
    let ids = store.ids()?;
    Ok(ids.iter().filter_map(|id| View::of(store, id).ok()).map(|(view, uid)| view.owned_by(uid)).collect())
}

fn rows(views: &[View]) -> Vec<Vec<String>> {
    let head = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned).to_vec();
    let row = |view: &View| {
        let bundle = view.bundle.display().to_string();
        vec![view.id.clone(), view.pid.to_string(), view.status.into(), bundle, view.created.clone(), view.owner.clone()]
    };
    std::iter::once(head).chain(views.iter().map(row)).collect()
}

/// Go encodes an empty list that was never filled as `null`.
fn json(views: &[View]) -> anyhow::Result<String> {
    let text = if views.is_empty() { "null".to_owned() } else { serde_json::to_string(views).context("encode JSON")? };
    Ok(text + "\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn empty_lists_as_runc_prints_them() {
        assert_eq!(json(&[]).unwrap(), include_str!("../../tests/fixtures/runc/list-empty.json"));
        assert_eq!(table::layout(&rows(&[])), include_str!("../../tests/fixtures/runc/list-empty.txt"));
    }
}
