//! Small files of the kernel's own filesystems, read in as few calls as there can be.

use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use std::os::fd::{AsFd, BorrowedFd};

/// Room for every file that this is meant for; longer ones take more reads.
const ROOM: usize = 4096;

/// The content of the file at `path`. Below `dir` a link at its end is not followed; without `dir` it is a path of the caller's.
///
/// Ends at the first read that leaves room: true of regular files, and of those in procfs, cgroupfs and sysfs, which give
/// everything at once. Not for pipes or sockets.
///
/// # Errors
/// As openat(2) and read(2).
pub fn read_whole<P: ?Sized + NixPath>(dir: Option<BorrowedFd<'_>>, path: &P) -> nix::Result<Vec<u8>> {
    let links = if dir.is_some() { OFlag::O_NOFOLLOW } else { OFlag::empty() };
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | links;
    let file = openat(dir.unwrap_or(nix::fcntl::AT_FDCWD.as_fd()), path, flags, Mode::empty())?;
    let mut content = vec![0; ROOM];
    let mut length = 0;
    loop {
        match nix::unistd::read(&file, &mut content[length..]) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
            Ok(read) => {
                length += read;
                if length < content.len() {
                    content.truncate(length);
                    return Ok(content);
                }
                content.resize(length * 2, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_files_are_read_to_their_end() {
        let path = std::env::temp_dir().join(format!("skiff-read-whole-{}", std::process::id()));
        for size in [0, 1, ROOM - 1, ROOM, ROOM + 1, 3 * ROOM] {
            let content: Vec<u8> = (0..size).map(|at| at as u8).collect();
            std::fs::write(&path, &content).unwrap();
            assert_eq!(read_whole(None, &path), Ok(content), "{size}");
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read_whole(None, &path), Err(Errno::ENOENT));
    }
}
