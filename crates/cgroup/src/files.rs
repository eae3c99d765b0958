//! A cgroup directory held by descriptor, and its files. What is opened once cannot be swapped for something else
//! by renaming a path.

use crate::Error;
use nix::dir::Dir as Entries;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::sys::statfs::{FsType, fstatfs};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

const DIRECTORY: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);
const PAGE: usize = 4096;

/// An open cgroup directory.
#[derive(Debug)]
pub(crate) struct Dir {
    fd: OwnedFd,
    /// For messages only.
    path: PathBuf,
}

impl Dir {
    /// Opens the directory at an absolute path of the host.
    pub(crate) fn open(path: &Path) -> nix::Result<Dir> {
        Ok(Dir { fd: open(path, DIRECTORY, Mode::empty())?, path: path.to_owned() })
    }

    /// Opens the mount point of a hierarchy, which must be of the filesystem type.
    pub(crate) fn mount(path: &Path, wanted: FsType) -> Result<Dir, Error> {
        let dir = Dir::open(path).map_err(|errno| Error::path("open", path, errno))?;
        match fstatfs(&dir.fd) {
            Ok(found) if found.filesystem_type() == wanted => Ok(dir),
            Ok(_) => Err(Error::NoCgroupfs(path.to_owned())),
            Err(errno) => Err(Error::path("statfs", path, errno)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a child.
    pub(crate) fn child(&self, name: &OsStr) -> nix::Result<Dir> {
        let fd = openat(&self.fd, name, DIRECTORY | OFlag::O_NOFOLLOW, Mode::empty())?;
        Ok(Dir { fd, path: self.path.join(name) })
    }

    /// Makes a child; says whether it was not there before.
    fn make(&self, name: &OsStr) -> Result<bool, Error> {
        match mkdirat(&self.fd, name, Mode::from_bits_truncate(0o755)) {
            Ok(()) => Ok(true),
            Err(Errno::EEXIST) => Ok(false),
            Err(errno) => Err(Error::path("make", &self.path.join(name), errno)),
        }
    }

    /// Writes a value with one write(2), as cgroup files want it.
    pub(crate) fn write(&self, file: &str, value: &str) -> nix::Result<()> {
        let fd = openat(&self.fd, file, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?;
        nix::unistd::write(fd, value.as_bytes()).map(drop)
    }

    /// As [`Dir::write`], for a value that no field of config.json asked for.
    pub(crate) fn put(&self, file: &'static str, value: &str) -> Result<(), Error> {
        self.write(file, value).map_err(|errno| self.write_error(file, "", value, errno))
    }

    pub(crate) fn write_error(&self, file: &str, field: &'static str, value: &str, errno: Errno) -> Error {
        Error::Write { file: file.to_owned(), dir: self.path.clone(), field, value: value.to_owned(), errno }
    }

    /// Opens a file to read it, perhaps more than once.
    pub(crate) fn reader(&self, file: &str) -> nix::Result<OwnedFd> {
        openat(&self.fd, file, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
    }

    /// The whole file, which the kernel gives in one piece.
    pub(crate) fn read(&self, file: &str) -> nix::Result<String> {
        let bytes = skiff_sys::read_whole(Some(self.as_fd()), file)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A file that holds one number.
    pub(crate) fn value(&self, file: &str) -> Result<u64, Error> {
        let text = self.read(file).map_err(|errno| self.read_error(file, errno))?;
        text.trim().parse().map_err(|_| self.read_error(file, Errno::EINVAL))
    }

    /// A whole list of processes, which the kernel gives in pieces of any length.
    pub(crate) fn read_list(&self, file: &str) -> nix::Result<String> {
        read_all(self.reader(file)?.as_fd())
    }

    pub(crate) fn read_error(&self, file: &str, errno: Errno) -> Error {
        Error::path("read", &self.path.join(file), errno)
    }

    /// The names of the cgroups below this one.
    pub(crate) fn children(&self) -> nix::Result<Vec<CString>> {
        let mut entries = Entries::openat(&self.fd, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
        let mut names = Vec::new();
        for entry in entries.iter() {
            let entry = entry?;
            let directory = entry.file_type() == Some(nix::dir::Type::Directory);
            if directory && !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                names.push(entry.file_name().to_owned());
            }
        }
        Ok(names)
    }

    /// Shows it and those below it; what goes away meanwhile is fine.
    pub(crate) fn each(&self, visit: &mut dyn FnMut(&Dir) -> Result<(), Error>) -> Result<(), Error> {
        visit(self)?;
        let failed = |errno| if gone(errno) { Ok(()) } else { Err(Error::path("read", &self.path, errno)) };
        let children = match self.children() {
            Ok(children) => children,
            Err(errno) => return failed(errno),
        };
        children.iter().try_for_each(|name| match self.child(name_of(name)) {
            Ok(child) => child.each(visit),
            Err(errno) => failed(errno),
        })
    }

    /// Removes a child that is empty.
    pub(crate) fn remove_child(&self, name: &OsStr) -> nix::Result<()> {
        unlinkat(&self.fd, name, UnlinkatFlags::RemoveDir)
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Reads a file of kernfs from its start.
pub(crate) fn read_all(fd: BorrowedFd<'_>) -> nix::Result<String> {
    let mut bytes = Vec::new();
    let mut chunk = [0u8; PAGE];
    loop {
        let length = nix::sys::uio::pread(fd, &mut chunk, bytes.len() as i64)?;
        bytes.extend_from_slice(chunk.get(..length).unwrap_or_default());
        if length == 0 {
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}

/// The number after `key` in a file of `key number` lines, as `cgroup.events`.
pub(crate) fn number(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Refuses a limit, bytes, that is reached already.
pub(crate) fn require_above(what: &'static str, limit: u64, used: u64) -> Result<(), Error> {
    if limit > used { Ok(()) } else { Err(Error::InUse { what, limit, used }) }
}

/// The errno of a cgroup that has been removed, before or after its file was opened.
pub(crate) fn gone(errno: Errno) -> bool {
    matches!(errno, Errno::ENOENT | Errno::ENODEV)
}

/// What was made on the way down to a container's cgroup. It goes away again, deepest first, unless it is kept.
#[derive(Debug, Default)]
pub(crate) struct Made {
    /// The directories above the container's, from the mount on.
    above: Vec<Dir>,
    /// Index into `above` and name of each directory that was made.
    made: Vec<(usize, PathBuf)>,
}

impl Made {
    /// Makes `path` below `mount` and returns the container's directory; `before` sees each directory above it before
    /// anything is made there.
    pub(crate) fn walk(mount: Dir, path: &Path, mut before: impl FnMut(&Dir) -> Result<(), Error>) -> Result<(Dir, Made), Error> {
        let mut made = Made::default();
        let mut leaf = mount;
        for component in path.components() {
            // The plan has cleaned the path; anything else would lead out of the hierarchy.
            let Component::Normal(name) = component else {
                return Err(Error::path("make", path, Errno::EINVAL));
            };
            before(&leaf)?;
            let new = leaf.make(name)?;
            let child = leaf.child(name).map_err(|errno| Error::path("open", &leaf.path.join(name), errno));
            made.above.push(leaf);
            if new {
                made.made.push((made.above.len() - 1, PathBuf::from(name)));
            }
            leaf = child?;
        }
        Ok((leaf, made))
    }

    /// The directory above the container's.
    pub(crate) fn parent(&self) -> Option<&Dir> {
        self.above.last()
    }

    /// The container's directory is new.
    pub(crate) fn leaf_is_new(&self) -> bool {
        self.made.last().is_some_and(|(parent, _)| parent + 1 == self.above.len())
    }

    /// Leaves everything where it is.
    pub(crate) fn keep(mut self) {
        self.made.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        while let Some((parent, name)) = self.made.pop() {
            if let Some(parent) = self.above.get(parent) {
                // Best effort on the way out of an error; a directory that somebody uses by now stays.
                let _ = parent.remove_child(name.as_os_str());
            }
        }
    }
}

/// The name of a directory entry.
pub(crate) fn name_of(name: &CString) -> &OsStr {
    OsStr::from_bytes(name.to_bytes())
}
