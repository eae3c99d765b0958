//! The hooks of config.json (runtime-spec, config.md, "POSIX-platform Hooks"), ready to execute. Parent side, pure.

use std::ffi::CString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use oci_spec::runtime::{Hook as Entry, Spec};

use crate::Error;

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookKind {
    /// Deprecated by the specification, used by docker and nvidia: as [`HookKind::CreateRuntime`], and before it.
    Prestart,
    /// In the runtime's namespaces, when those of the container exist, before its root is entered.
    CreateRuntime,
    /// In the container's namespaces, before its root is entered: the path is one of the runtime's.
    CreateContainer,
    /// In the container, right before its command is executed.
    StartContainer,
    /// In the runtime's namespaces, after that.
    Poststart,
    /// In the runtime's namespaces, when the container is deleted.
    Poststop,
}

impl fmt::Display for HookKind {
    /// As config.json has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prestart => "prestart",
            Self::CreateRuntime => "createRuntime",
            Self::CreateContainer => "createContainer",
            Self::StartContainer => "startContainer",
            Self::Poststart => "poststart",
            Self::Poststop => "poststop",
        })
    }
}

/// One hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// In which list it stands.
    pub kind: HookKind,
    /// Its place there (`hooks.<kind>[index]`), for error messages.
    pub index: usize,
    /// Absolute; executed as it is.
    pub path: PathBuf,
    /// With `args[0]`, which is the path where config.json has no arguments.
    pub args: Vec<CString>,
    /// The whole environment; `None`: whatever runs the hook says.
    pub env: Option<Vec<CString>>,
    /// Seconds after which it is killed, at least 1; `None`: it may take as long as it likes.
    pub timeout: Option<u32>,
}

/// All hooks of a container, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hooks {
    /// See [`HookKind::Prestart`].
    pub prestart: Vec<Hook>,
    /// See [`HookKind::CreateRuntime`].
    pub create_runtime: Vec<Hook>,
    /// See [`HookKind::CreateContainer`].
    pub create_container: Vec<Hook>,
    /// See [`HookKind::StartContainer`].
    pub start_container: Vec<Hook>,
    /// See [`HookKind::Poststart`].
    pub poststart: Vec<Hook>,
    /// See [`HookKind::Poststop`].
    pub poststop: Vec<Hook>,
}

/// Resolves `hooks`.
///
/// # Errors
/// [`Error::Invalid`] with the field, for a relative path, a null byte, or a timeout that is not positive.
#[allow(deprecated)] // the specification deprecates prestart hooks; docker and nvidia still use them
pub(crate) fn hooks(spec: &Spec) -> Result<Hooks, Error> {
    let Some(hooks) = spec.hooks() else { return Ok(Hooks::default()) };
    Ok(Hooks {
        prestart: list(HookKind::Prestart, hooks.prestart())?,
        create_runtime: list(HookKind::CreateRuntime, hooks.create_runtime())?,
        create_container: list(HookKind::CreateContainer, hooks.create_container())?,
        start_container: list(HookKind::StartContainer, hooks.start_container())?,
        poststart: list(HookKind::Poststart, hooks.poststart())?,
        poststop: list(HookKind::Poststop, hooks.poststop())?,
    })
}

fn list(kind: HookKind, entries: &Option<Vec<Entry>>) -> Result<Vec<Hook>, Error> {
    entries.iter().flatten().enumerate().map(|(index, entry)| hook(kind, index, entry)).collect()
}

fn hook(kind: HookKind, index: usize, entry: &Entry) -> Result<Hook, Error> {
    let field = format!("hooks.{kind}[{index}]");
    let path = entry.path();
    if !path.is_absolute() {
        return Err(Error::invalid(format!("{field}.path"), format!("`{}` is not an absolute path", path.display())));
    }
    let argument = c_string(&format!("{field}.path"), path.as_os_str().as_bytes())?;
    let mut args = c_strings(&format!("{field}.args"), entry.args().as_deref().unwrap_or_default())?;
    if args.is_empty() {
        args.push(argument);
    }
    let env = entry.env().as_deref().map(|env| c_strings(&format!("{field}.env"), env)).transpose()?;
    let timeout = entry.timeout().map(|seconds| positive(&format!("{field}.timeout"), seconds)).transpose()?;
    Ok(Hook { kind, index, path: path.clone(), args, env, timeout })
}

/// The specification: "if set, timeout MUST be greater than zero". Longer than 136 years is as good as none.
fn positive(field: &str, seconds: i64) -> Result<u32, Error> {
    if seconds < 1 {
        return Err(Error::invalid(field, format!("{seconds} is not greater than zero")));
    }
    Ok(u32::try_from(seconds).unwrap_or(u32::MAX))
}

fn c_strings(field: &str, texts: &[String]) -> Result<Vec<CString>, Error> {
    texts.iter().enumerate().map(|(index, text)| c_string(&format!("{field}[{index}]"), text.as_bytes())).collect()
}

fn c_string(field: &str, text: &[u8]) -> Result<CString, Error> {
    CString::new(text).map_err(|_| Error::invalid(field, "contains a null byte"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::fixtures::bundle;

    fn resolve(json: &str) -> Result<Hooks, Error> {
        hooks(&bundle(&format!(r#"{{"ociVersion":"1.0.2","hooks":{json}}}"#)).spec)
    }

    fn refusal(json: &str) -> String {
        resolve(json).unwrap_err().to_string()
    }

    #[test]
    fn every_list_is_read_in_its_order() {
        let lists = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];
        for name in lists {
            let hooks = resolve(&format!(r#"{{"{name}":[{{"path":"/a"}},{{"path":"/b"}}]}}"#)).unwrap();
            let all = [
                hooks.prestart,
                hooks.create_runtime,
                hooks.create_container,
                hooks.start_container,
                hooks.poststart,
                hooks.poststop,
            ];
            let found: Vec<_> = all.into_iter().flatten().map(|hook| (hook.kind.to_string(), hook.index, hook.path)).collect();
            assert_eq!(found, [(name.to_owned(), 0, "/a".into()), (name.to_owned(), 1, "/b".into())]);
        }
        assert_eq!(resolve("null").unwrap(), Hooks::default());
    }

    #[test]
    fn absent_arguments_are_the_path_and_an_absent_environment_stays_absent() {
        let hooks = resolve(r#"{"poststop":[{"path":"/a"},{"path":"/a","args":["b","c"],"env":[],"timeout":7}]}"#).unwrap();
        let [first, second] = hooks.poststop.as_slice() else { panic!("two hooks") };
        assert_eq!((first.args.as_slice(), &first.env, first.timeout), ([c"/a".to_owned()].as_slice(), &None, None));
        assert_eq!(second.args, [c"b".to_owned(), c"c".to_owned()]);
        assert_eq!((&second.env, second.timeout), (&Some(Vec::new()), Some(7)));
    }

    #[test]
    fn refusals_name_the_field() {
        let refused = |hook: &str| refusal(&format!(r#"{{"createContainer":[{{"path":"/ok"}},{hook}]}}"#));
        assert_eq!(refused(r#"{"path":"bin/x"}"#), "config.json: hooks.createContainer[1].path: `bin/x` is not an absolute path");
        assert_eq!(
            refused(r#"{"path":"/x","timeout":0}"#),
            "config.json: hooks.createContainer[1].timeout: 0 is not greater than zero"
        );
        assert_eq!(
            refused(r#"{"path":"/x","args":["a","b\u0000"]}"#),
            "config.json: hooks.createContainer[1].args[1]: contains a null byte"
        );
        assert_eq!(
            refused(r#"{"path":"/x","env":["\u0000"]}"#),
            "config.json: hooks.createContainer[1].env[0]: contains a null byte"
        );
    }

    #[test]
    fn endless_timeouts_fit() {
        let hooks = resolve(r#"{"prestart":[{"path":"/a","timeout":9223372036854775807}]}"#).unwrap();
        assert_eq!(hooks.prestart[0].timeout, Some(u32::MAX));
    }
}
