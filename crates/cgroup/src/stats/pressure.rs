//! Pressure stall information (`Documentation/accounting/psi.rst`): the share of time in which processes stood still
//! for want of something. Only the unified hierarchy has it, a hybrid host's too.

use super::read::Files;
use crate::Error;

/// What `cpu.pressure`, `memory.pressure` or `io.pressure` holds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pressure {
    /// At least one process waited.
    pub some: Stall,
    /// All of them did.
    pub full: Stall,
}

/// How long processes waited.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Stall {
    /// Percent of the last 10 seconds.
    pub avg10: f64,
    /// Percent of the last 60 seconds.
    pub avg60: f64,
    /// Percent of the last 300 seconds.
    pub avg300: f64,
    /// Microseconds since the cgroup was made.
    pub total: u64,
}

/// `None` where the kernel does not account it.
pub(super) fn read(files: Files<'_>, file: &str) -> Result<Option<Pressure>, Error> {
    Ok(files.text(file)?.as_deref().map(parse))
}

fn parse(text: &str) -> Pressure {
    let mut pressure = Pressure::default();
    for line in text.lines() {
        match line.split_once(' ') {
            Some(("some", fields)) => pressure.some = stall(fields),
            Some(("full", fields)) => pressure.full = stall(fields),
            _ => {}
        }
    }
    pressure
}

fn stall(fields: &str) -> Stall {
    let field = |name: &str| fields.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
    let share = |name: &str| field(name).and_then(|value| value.parse().ok()).unwrap_or(0.0);
    Stall {
        avg10: share("avg10"),
        avg60: share("avg60"),
        avg300: share("avg300"),
        total: field("total").and_then(|value| value.trim().parse().ok()).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lines() {
        let text = "some avg10=1.50 avg60=0.25 avg300=0.00 total=123456\nfull avg10=0.10 avg60=0.00 avg300=0.00 total=7\n";
        let some = Stall { avg10: 1.5, avg60: 0.25, avg300: 0.0, total: 123_456 };
        let full = Stall { avg10: 0.1, total: 7, ..Stall::default() };
        assert_eq!(parse(text), Pressure { some, full });
    }

    #[test]
    fn older_kernels_have_no_full_line_of_the_processor() {
        let pressure = parse("some avg10=0.00 avg60=0.00 avg300=2.00 total=5\n");
        assert_eq!((pressure.some.avg300, pressure.some.total, pressure.full), (2.0, 5, Stall::default()));
    }
}
