//! How far a compilation is, in one line of a terminal; nothing where there is none. Runs in the command.

use super::PHASES;
use std::io::{IsTerminal, Write};
use std::time::Instant;

/// A line on stderr that is written over, and gone at the end.
pub(super) struct Line {
    begun: Instant,
    phase: u8,
    shown: bool,
}

impl Line {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), phase: 0, shown: std::io::stderr().is_terminal() }
    }

    /// A phase has begun, or with 0 a second has passed.
    pub(super) fn tick(&mut self, phase: u8) {
        if phase != 0 {
            self.phase = phase;
        }
        if self.shown {
            let _ = write!(std::io::stderr(), "\r{}\x1b[K", self.text(self.begun.elapsed().as_secs()));
        }
    }

    fn text(&self, seconds: u64) -> String {
        let all = PHASES.len();
        let at = usize::from(self.phase).min(all);
        let what = if at == 0 { "waiting" } else { PHASES[at - 1].1 };
        format!("[{}{}] {what}, {seconds} s", "#".repeat(at * 4), "-".repeat((all - at) * 4))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_fills_the_bar() {
        let mut line = Line { begun: Instant::now(), phase: 0, shown: false };
        assert_eq!(line.text(0), "[--------------------] waiting, 0 s");
        line.tick(3);
        line.tick(0);
        assert_eq!(line.text(12), "[############--------] optimising, 12 s");
    }
}
