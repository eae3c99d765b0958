//! `skiff events`: what a container uses, every interval, and when its memory is exhausted, one JSON object a line.

use crate::stats::View;
use crate::{Context, duration, output};
use anyhow::{Context as _, bail};
use serde::Serialize;
use skiff_cgroup::{Cgroup, Event, Stats, Watch};
use skiff_state::Status;
use std::io::{ErrorKind, stdout};
use std::os::fd::AsFd;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Time between two statistics, as 5s, 1m30s or 500ms
    #[arg(long, value_name = "DURATION", default_value = "5s", allow_hyphen_values = true, value_parser = duration::parse)]
    interval: i64,
    /// Print the statistics once
    #[arg(long)]
    stats: bool,
    /// The container's id
    id: String,
}

/// runc's `types.Event`.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<View<'a>>,
}

/// Ends when the container does, or when nobody reads any more.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    // Before anything else gets its number.
    let written = skiff_sys::is_open(libc::STDOUT_FILENO as u32);
    let dir = context.store()?.open(&args.id)?;
    let Some(interval) = u64::try_from(args.interval).ok().filter(|nanoseconds| *nanoseconds > 0) else {
        bail!("duration interval must be greater than 0");
    };
    let (record, status) = skiff_launch::status(&dir)?;
    let cgroup = Cgroup::open(&record.cgroup);
    let init = match status {
        Status::Creating | Status::Stopped => None,
        Status::Created | Status::Running | Status::Paused => skiff_launch::init_fd(&record)?,
    };
    let Some(init) = init else { bail!("container with id {} is not running", args.id) };
    if !written {
        return Ok(());
    }
    if args.stats {
        return statistics(&args.id, &cgroup.stats()?).map(drop);
    }
    let stdout = stdout();
    let watch = cgroup.watch(init, Duration::from_nanos(interval), stdout.as_fd())?;
    if !watch.sees_oom() {
        context.log.warning("no memory controller: nothing tells when memory is exhausted");
    }
    stream(&args.id, &cgroup, watch)
}

fn stream(id: &str, cgroup: &Cgroup, mut watch: Watch<'_>) -> anyhow::Result<()> {
    loop {
        let read = match watch.wait()? {
            Event::End => return Ok(()),
            Event::Oom => print(&Line { kind: "oom", id, data: None })?,
            Event::Interval => match cgroup.stats() {
                Ok(stats) => statistics(id, &stats)?,
                Err(error) if error.is_gone() => return Ok(()),
                Err(error) => return Err(error.into()),
            },
        };
        if !read {
            return Ok(());
        }
    }
}

fn statistics(id: &str, stats: &Stats) -> anyhow::Result<bool> {
    print(&Line { kind: "stats", id, data: Some(View(stats)) })
}

/// False when nobody reads any more.
fn print(line: &Line<'_>) -> anyhow::Result<bool> {
    let text = serde_json::to_string(line).context("encode JSON")? + "\n";
    match output::text(&text) {
        Ok(()) => Ok(true),
        Err(error) if error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe) => Ok(false),
        Err(error) => Err(error),
    }
}
