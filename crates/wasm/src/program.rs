//! The file that `process.args` names: found by path, relative to the working directory, or in PATH; without execute permission,
//! which a module needs as little as a script's text does. init side, inside the container.

use crate::{Kind, classify};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use skiff_launch::Fault;
use skiff_plan::{Process, WasmPlan};
use skiff_sys::errno_text;
use std::fs::File;

/// As many bytes as tell what a file is; text may begin with comments.
const BEGINNING: usize = 512;

/// Which file it was, and in which state: (device, inode, size, change time).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity(u64, u64, i64, i64, i64);

/// The file, open.
pub(crate) struct Program {
    /// As `args` has it, without the function.
    pub name: String,
    /// What stands behind `#`.
    pub function: Option<String>,
    pub file: File,
    pub identity: Identity,
    kind: Kind,
}

impl Program {
    /// Looks for it as whoever this process is.
    pub(crate) fn find(process: &Process) -> Result<Program, Fault> {
        let asked = process.args.first().map(|arg| arg.to_string_lossy().into_owned()).unwrap_or_default();
        let path = process.env.iter().find_map(|entry| entry.to_str().ok()?.strip_prefix("PATH=")).unwrap_or_default();
        let (name, function, file) = match look_up(&asked, path) {
            Ok(file) => (asked, None, file),
            // A file may have that character in its name.
            Err(errno) => match asked.rsplit_once('#').map(|(name, function)| (name, function, look_up(name, path))) {
                Some((name, function, Ok(file))) => (name.to_owned(), Some(function.to_owned()), file),
                Some((name, _, Err(errno))) if errno != Errno::ENOENT => return Err(not_found(name, errno)),
                _ => return Err(not_found(&asked, errno)),
            },
        };
        Program::open(name, function, file).map_err(|errno| Fault::new(errno, errno_text(errno)))
    }

    fn open(name: String, function: Option<String>, file: File) -> nix::Result<Program> {
        let stat = fstat(&file)?;
        if !is_regular(&stat) {
            // It was one when it was looked at.
            return Err(Errno::EACCES);
        }
        let mut beginning = [0; BEGINNING];
        let length = nix::sys::uio::pread(&file, &mut beginning, 0)?;
        let kind = classify(beginning.get(..length).unwrap_or_default());
        Ok(Program {
            name,
            function,
            file,
            identity: Identity(stat.st_dev, stat.st_ino, stat.st_size, stat.st_ctime, stat.st_ctime_nsec),
            kind,
        })
    }

    /// It is to run in the engine, or at least to fail there, with words that say what it is.
    pub(crate) fn is_ours(&self, plan: &WasmPlan) -> bool {
        match self.kind {
            Kind::NotWasm => plan.strict,
            Kind::Text => !plan.sniffed,
            Kind::Module | Kind::Component | Kind::Truncated | Kind::UnknownVersion(_) => true,
        }
    }
}

fn look_up(name: &str, path: &str) -> nix::Result<File> {
    if name.contains('/') {
        return regular(name);
    }
    // The working directory last: images name their module without a path.
    let directories = path.split(':').map(|dir| if dir.is_empty() { "." } else { dir }).chain(["."]);
    directories.map(|dir| regular(&format!("{dir}/{name}"))).find(Result::is_ok).unwrap_or(Err(Errno::ENOENT))
}

/// Opens a file and nothing else: a FIFO would block, a device might act.
fn regular(path: &str) -> nix::Result<File> {
    let place = open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
    match fstat(&place)? {
        stat if is_regular(&stat) => {}
        stat if kind(&stat) == SFlag::S_IFDIR => return Err(Errno::EISDIR),
        _ => return Err(Errno::EACCES),
    }
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty()).map(File::from)
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

fn is_regular(stat: &FileStat) -> bool {
    kind(stat) == SFlag::S_IFREG
}

/// The words that clients look for, as the native handler's.
fn not_found(name: &str, errno: Errno) -> Fault {
    let why = match errno {
        Errno::ENOENT if !name.contains('/') => "executable file not found in $PATH".to_owned(),
        Errno::ENOENT => format!("stat {name}: {}", errno_text(errno)),
        Errno::EISDIR => format!("{}: {}", errno_text(errno), errno_text(Errno::EACCES)),
        _ => errno_text(errno),
    };
    Fault::new(errno, format!("exec: \"{name}\": {why}"))
}
