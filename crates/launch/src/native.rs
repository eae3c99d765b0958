//! The native handler: looks the command up as the container's user, and executes it.

use crate::handler::Handler;
use crate::steps::Fault;
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{SFlag, stat};
use nix::unistd::{AccessFlags, faccessat};
use skiff_plan::Process;
use skiff_sys::errno_text;
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

/// What clients look for when a command is missing.
pub(crate) const NOT_FOUND: &str = "executable file not found in $PATH";

/// Exit code when execve itself fails, as runc's.
const EXEC_FAILED: i32 = 255;

/// See the module.
#[derive(Debug, Default)]
pub struct Native {
    path: CString,
    env: Vec<CString>,
}

impl Handler for Native {
    fn prepare(&mut self, process: &Process) -> Result<(), Fault> {
        let name = process.args.first().ok_or(Errno::EINVAL)?;
        self.path = find(name, &process.env)?;
        self.env = environment(process)
            .map_err(|errno| Fault::new(errno, format!("read /etc/passwd of the container: {}", errno_text(errno))))?;
        Ok(())
    }

    fn executes(&self) -> bool {
        true
    }

    fn run(&mut self, process: &Process, fifo: Option<OwnedFd>) -> ! {
        // Taken as late as can be: a byte that is left tells `start` that we failed.
        let mut byte = [0u8];
        if let Some(fifo) = &fifo {
            while nix::unistd::read(fifo, &mut byte) != Ok(1) {}
        }
        let Err(errno) = skiff_sys::execve(&self.path, &process.args, &self.env);
        if let Some(fifo) = &fifo {
            let _ = nix::unistd::write(fifo, &byte);
        }
        let message = format!("exec {}: {}\n", self.path.to_string_lossy(), errno_text(errno));
        let _ = nix::unistd::write(std::io::stderr(), message.as_bytes());
        skiff_sys::exit_now(EXEC_FAILED)
    }
}

fn quoted(name: &CStr) -> String {
    format!("exec: \"{}\"", name.to_string_lossy())
}

/// The path to execute: the name itself if it has a slash, else the first executable file of that name in `PATH`.
fn find(name: &CStr, env: &[CString]) -> Result<CString, Fault> {
    if name.to_bytes().contains(&b'/') {
        return executable(name).map(|()| name.to_owned()).map_err(|errno| {
            let shown = name.to_string_lossy();
            let mut why = errno_text(errno);
            if errno == Errno::EISDIR {
                // docker knows a command that cannot be executed by these words only.
                why.push_str(&format!(": {}", errno_text(Errno::EACCES)));
            }
            let stat = if errno == Errno::ENOENT { format!("stat {shown}: ") } else { String::new() };
            Fault::new(errno, format!("{}: {stat}{why}", quoted(name)))
        });
    }
    let path = env.iter().find_map(|entry| entry.to_bytes().strip_prefix(b"PATH=")).unwrap_or_default();
    path.split(|&byte| byte == b':')
        .filter_map(|dir| CString::new([if dir.is_empty() { b"." } else { dir }, b"/", name.to_bytes()].concat()).ok())
        .find(|candidate| executable(candidate).is_ok())
        .ok_or_else(|| Fault::new(Errno::ENOENT, format!("{}: {NOT_FOUND}", quoted(name))))
}

/// The effective user may execute this file. Whether the kernel can is execve's to say.
fn executable(path: &CStr) -> nix::Result<()> {
    let kind = SFlag::from_bits_truncate(stat(path)?.st_mode) & SFlag::S_IFMT;
    match kind {
        SFlag::S_IFREG => faccessat(nix::fcntl::AT_FDCWD, path, AccessFlags::X_OK, AtFlags::AT_EACCESS),
        SFlag::S_IFDIR => Err(Errno::EISDIR),
        _ => Err(Errno::EACCES),
    }
}

/// The environment of the process, with the `HOME` of the container's passwd where there is none. Inside the container.
///
/// # Errors
/// Its passwd cannot be read, for a reason that says nothing about the image.
pub fn environment(process: &Process) -> nix::Result<Vec<CString>> {
    let mut env = process.env.clone();
    if !env.iter().any(|entry| entry.to_bytes().starts_with(b"HOME=")) {
        let home = crate::passwd::home(process.uid)?.unwrap_or_else(|| "/".into());
        env.extend(CString::new(format!("HOME={home}")));
    }
    Ok(env)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn c(text: &str) -> CString {
        CString::new(text).unwrap()
    }

    #[test]
    fn names_are_looked_up_in_path_and_slashes_are_not() {
        let env = [c("PATH=/nonexistent:/bin")];
        assert_eq!(find(c"sh", &env).unwrap(), c("/bin/sh"));
        assert_eq!(find(c"/bin/sh", &[]).unwrap(), c("/bin/sh"));
    }

    #[test]
    fn the_words_are_those_that_clients_match() {
        let words = |name: &CStr| find(name, &[c("PATH=/bin")]).unwrap_err().argument;
        assert_eq!(words(c"nope-nope"), "exec: \"nope-nope\": executable file not found in $PATH");
        assert_eq!(words(c"/no/such"), "exec: \"/no/such\": stat /no/such: no such file or directory");
        assert_eq!(words(c"/etc/passwd"), "exec: \"/etc/passwd\": permission denied");
        assert_eq!(words(c"/etc"), "exec: \"/etc\": is a directory: permission denied");
    }
}
