//! Is a process still the one that was recorded?

use crate::{Error, Init};
use nix::errno::Errno;

/// Start time (clock ticks after boot) and state letter of a process; `None` when there is none with this pid.
/// Fields 22 and 3 of `/proc/PID/stat`, proc_pid_stat(5).
pub fn start_time(pid: u32) -> Result<Option<(u64, char)>, Error> {
    let path = format!("/proc/{pid}/stat");
    let text = match skiff_sys::read_whole(None, path.as_str()) {
        Ok(text) => text,
        // It may end between the open and the read.
        Err(Errno::ENOENT | Errno::ESRCH) => return Ok(None),
        Err(errno) => return Err(Error::io("read", path, errno)),
    };
    match parse_stat(&text) {
        Some(found) => Ok(Some(found)),
        None => Err(Error::io("parse", path, Errno::EINVAL)),
    }
}

/// The command name may hold spaces and parentheses: only what follows the last `)` can be split.
fn parse_stat(text: &[u8]) -> Option<(u64, char)> {
    let close = text.iter().rposition(|&b| b == b')')?;
    let rest = std::str::from_utf8(&text[close + 1..]).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let start = fields.nth(18)?.parse().ok()?;
    Some((start, state))
}

/// The recorded process lives. A zombie does not: it runs nothing any more, and only waits for its parent.
pub(crate) fn alive(init: Init) -> bool {
    matches!(start_time(init.pid), Ok(Some((start, state))) if start == init.start_time && !"ZXx".contains(state))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn hostile_command_name() {
        let line = b"7 (a) Z 1) (b) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 1 2\n";
        assert_eq!(parse_stat(line), Some((4242, 'S')));
        assert_eq!(parse_stat(b"7 (a) S 1"), None);
        assert_eq!(parse_stat(b""), None);
    }

    #[test]
    fn this_process_lives_and_a_reused_pid_does_not() {
        let pid = std::process::id();
        let (start, _) = start_time(pid).unwrap().unwrap();
        assert!(alive(Init { pid, start_time: start }));
        assert!(!alive(Init { pid, start_time: start + 1 }));
        assert_eq!(start_time(u32::MAX).unwrap(), None);
    }

    #[test]
    fn a_zombie_is_not_alive() {
        let mut child = std::process::Command::new("/bin/sleep").arg("1000").spawn().unwrap();
        let pid = child.id();
        let (start, _) = start_time(pid).unwrap().unwrap();
        child.kill().unwrap();
        while !matches!(start_time(pid), Ok(Some((_, 'Z')))) {
            std::thread::yield_now();
        }
        assert!(!alive(Init { pid, start_time: start }));
        child.wait().unwrap();
    }
}
