//! The home directory of a user, as the container's own `/etc/passwd` has it. init side, inside the root.

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, SFlag, fstat};

/// The file is not read beyond this, in bytes: the image decides on its size.
const LIMIT: usize = 1 << 20;

/// The sixth field of the user's line, if there is a file with one.
///
/// # Errors
/// It could not be read for a reason that says nothing about the image.
pub(crate) fn home(uid: u32) -> nix::Result<Option<String>> {
    // The image may have put a FIFO or a device there.
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let file = match open("/etc/passwd", flags, Mode::empty()) {
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES | Errno::ELOOP | Errno::ENXIO) => return Ok(None),
        other => other?,
    };
    let stat = fstat(&file)?;
    if stat.st_mode & SFlag::S_IFMT.bits() != SFlag::S_IFREG.bits() {
        return Ok(None);
    }
    let mut text = vec![0; usize::try_from(stat.st_size).unwrap_or(0).min(LIMIT)];
    let length = nix::unistd::read(&file, &mut text)?;
    Ok(in_passwd(&String::from_utf8_lossy(&text[..length]), uid))
}

fn in_passwd(text: &str, uid: u32) -> Option<String> {
    let home = |line: &str| {
        let mut fields = line.split(':').skip(2);
        let of_user = fields.next()?.parse() == Ok(uid);
        let home = fields.nth(2)?;
        (of_user && !home.is_empty()).then(|| home.to_owned())
    };
    text.lines().find_map(home)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_found_by_uid() {
        let text = "root:x:0:0:root:/root:/bin/sh\nbroken\nu:x:1000:1000::/home/u:/bin/sh\nnohome:x:5:5:::\n";
        assert_eq!(in_passwd(text, 0).as_deref(), Some("/root"));
        assert_eq!(in_passwd(text, 1000).as_deref(), Some("/home/u"));
        assert_eq!(in_passwd(text, 5), None);
        assert_eq!(in_passwd(text, 7), None);
    }
}
