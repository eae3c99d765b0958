//! Where the compiler and its libraries lie, and how they are laid out in the root that it sees. Runs in the caller.

use super::Error;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The compiler's program with the real LLVM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    pub(super) binds: Vec<Bind>,
    pub(super) links: Vec<(CString, CString)>,
    /// Path in the sandbox, and what goes before the program's own arguments.
    pub(super) command: Vec<CString>,
}

/// A file or directory of the host that the sandbox shows, read-only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bind {
    pub(super) source: CString,
    /// A name in the sandbox's root.
    pub(super) name: CString,
    pub(super) directory: bool,
}

impl Tools {
    /// With the engine's prefix that this was built for.
    ///
    /// # Errors
    /// As [`Tools::find`].
    pub fn here(program: &Path) -> Result<Self, Error> {
        Self::find(Path::new(env!("SKIFF_ENGINE_AT")), program)
    }

    /// With the engine's prefix in this directory. `program` is `skiff-wasm-compiler`.
    ///
    /// # Errors
    /// [`Error::Host`] when the prefix has no compiler or the program is missing.
    pub fn find(prefix: &Path, program: &Path) -> Result<Self, Error> {
        let missing = |what: &str, path: &Path| Error::Host(format!("{what} {} is missing", path.display()));
        if !program.is_file() {
            return Err(missing("the program", program));
        }
        let program = bind(program, "program")?;
        if prefix.join("compiler/ld.so").exists() {
            let binds = vec![bind(&prefix.join("lib"), "lib")?, bind(&prefix.join("compiler"), "compiler")?, program];
            // The search path in the program leads to the stub that stands in for LLVM.
            let command = [c"/compiler/ld.so", c"--inhibit-rpath", c"", c"--library-path", c"/compiler", c"/program"];
            return Ok(Self { binds, links: Vec::new(), command: command.map(Into::into).into() });
        }
        if prefix.as_os_str().is_empty() || prefix.join("lib/libwasmedge.so.0").exists() {
            return Err(missing("the engine's compiler (integration/engine/build --compiler)", &prefix.join("compiler")));
        }
        Self::of_system(program)
    }

    /// A libwasmedge of the system's: its libraries, where the loader looks for them. The prefix, with the stub, is out of sight.
    fn of_system(program: Bind) -> Result<Self, Error> {
        let mut tools =
            Self { binds: vec![bind(Path::new("/usr"), "usr")?, program], links: Vec::new(), command: vec![c"/program".into()] };
        for name in ["lib", "lib64", "lib32"] {
            let path = PathBuf::from("/").join(name);
            match std::fs::read_link(&path) {
                Ok(target) => tools.links.push((c_string(&target)?, c_string(Path::new(name))?)),
                Err(_) if path.is_dir() => tools.binds.push(bind(&path, name)?),
                Err(_) => {}
            }
        }
        Ok(tools)
    }
}

fn bind(source: &Path, name: &str) -> Result<Bind, Error> {
    Ok(Bind { source: c_string(source)?, name: c_string(Path::new(name))?, directory: source.is_dir() })
}

fn c_string(path: &Path) -> Result<CString, Error> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Error::Host("a path with a null byte".into()))
}
