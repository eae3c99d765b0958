//! `skiff ps`: the processes of a container, by ps(1) or as a JSON list of host pids.

use super::Format;
use crate::{Context, output};
use anyhow::{Context as _, bail};
use std::ffi::OsString;
use std::process::Command;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// The container's id
    id: String,
    /// Arguments for ps(1) [default: -ef]
    #[arg(last = true, value_name = "PS ARGS")]
    ps: Vec<OsString>,
}

/// Clients parse stdout and stderr joined together: nothing but the answer is printed.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let pids = skiff_launch::pids(&context.store()?.open(&args.id)?)?;
    output::text(&match args.format {
        Format::Json => json(&pids)?,
        Format::Table => select(&ps(&args.ps)?, &pids)?,
    })
}

/// Go encodes an empty list that was never filled as `null`.
fn json(pids: &[u32]) -> anyhow::Result<String> {
    let text = if pids.is_empty() { "null".to_owned() } else { serde_json::to_string(pids).context("encode JSON")? };
    Ok(text + "\n")
}

fn ps(args: &[OsString]) -> anyhow::Result<String> {
    let mut command = Command::new("ps");
    if args.is_empty() {
        command.arg("-ef")
    } else {
        command.args(args)
    };
    let output = command.output().context("run ps")?;
    if !output.status.success() {
        bail!("ps failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The heading and the lines whose PID column holds one of `pids`.
fn select(table: &str, pids: &[u32]) -> anyhow::Result<String> {
    let heading = table.lines().next().unwrap_or_default();
    let column = heading.split_whitespace().position(|title| title == "PID").context("ps printed no PID column")?;
    let ours = |line: &&str| {
        let field = line.split_whitespace().nth(column);
        field.and_then(|field| field.parse().ok()).is_some_and(|pid| pids.contains(&pid))
    };
    let lines = std::iter::once(heading).chain(table.lines().skip(1).filter(ours));
    Ok(lines.map(|line| format!("{line}\n")).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn as_runc_prints_them() {
        let golden = include_str!("../../tests/fixtures/runc/ps.txt");
        let all = format!("{golden}root     10694 10693 14 09:56 ?        00:00:00 /bin/other\n");
        assert_eq!(select(&all, &[10693]).unwrap(), golden);
        assert_eq!(json(&[10693]).unwrap(), include_str!("../../tests/fixtures/runc/ps.json"));
        assert_eq!(json(&[]).unwrap(), "null\n");
    }

    #[test]
    fn the_pid_column_is_needed() {
        assert!(select("UID CMD\n0 x\n", &[1]).is_err());
        assert_eq!(select("  PID CMD\n    1 a\n   11 b\n", &[11]).unwrap(), "  PID CMD\n   11 b\n");
    }
}
