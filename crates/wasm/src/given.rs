//! What config.json and the plan give a module: arguments, variables, preopens, limits. init side, in the container.

use crate::program::Program;
use crate::{Preopen, Refusal};
use skiff_plan::{Process, WasmPlan};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// As config.json has them: only the function is no part of the program's name.
pub(crate) fn arguments(process: &Process, program: &Program) -> Vec<CString> {
    let mut args = process.args.clone();
    if let (Some(first), Some(_)) = (args.first_mut(), &program.function) {
        *first = CString::new(program.name.as_bytes()).unwrap_or_default();
    }
    args
}

/// What the container's environment and the allow-list have in common.
pub(crate) fn environment(process: &Process, plan: &WasmPlan) -> Result<Vec<CString>, Refusal> {
    let mut env = skiff_launch::environment(process).map_err(|errno| Refusal::Engine(skiff_sys::errno_text(errno)))?;
    if !env.iter().any(|entry| entry.to_bytes().starts_with(b"PWD=")) {
        env.extend(working_directory(&process.cwd, &plan.preopens));
    }
    if let Some(names) = &plan.env {
        env.retain(|entry| {
            let name = entry.to_bytes().split(|&byte| byte == b'=').next().unwrap_or_default();
            names.iter().any(|allowed| allowed.as_bytes() == name)
        });
    }
    Ok(env)
}

/// `PWD`, since WASI has no working directory: by the name that the module has for it. Go's programs begin there, others can go
/// there themselves; nothing where all of them begin anyway.
fn working_directory(cwd: &Path, preopens: &[skiff_plan::Preopen]) -> Option<CString> {
    let absolute = preopens.iter().filter(|preopen| preopen.guest.starts_with('/'));
    let below = absolute.filter_map(|preopen| Some((preopen, cwd.strip_prefix(&preopen.path).ok()?)));
    let (preopen, rest) = below.min_by_key(|(_, rest)| rest.components().count())?;
    let name: PathBuf = Path::new(&preopen.guest).join(rest).components().collect();
    let is_first = preopens.first().is_some_and(|first| first.guest == "/");
    let entry = [b"PWD=", name.as_os_str().as_bytes()].concat();
    CString::new(entry).ok().filter(|_| !(is_first && name == Path::new("/")))
}

pub(crate) fn preopen(plan: &skiff_plan::Preopen) -> Preopen {
    Preopen { guest: plan.guest.clone(), path: plan.path.clone(), read_only: plan.read_only }
}

/// The parent sets it only once we are ready.
pub(crate) fn rlimit(process: &Process, resource: u32) -> Option<u64> {
    process.rlimits.iter().find(|limit| limit.resource == resource).map(|limit| limit.soft)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_working_directory_has_the_name_that_the_module_knows() {
        let preopen = |(guest, path): &(&str, &str)| skiff_plan::Preopen {
            guest: (*guest).to_owned(),
            path: (*path).into(),
            read_only: false,
        };
        for (cwd, preopens, name) in [
            ("/", &[("/", "/")][..], None),
            ("/app", &[("/", "/")], Some("/app")),
            ("/app/sub", &[("/", "/"), ("/in", "/app")], Some("/in/sub")),
            ("/app", &[("/in", "/app")], Some("/in")),
            ("/", &[("/data", "/data"), ("/", "/")], Some("/")),
            ("/apple", &[("/app", "/app")], None),
            ("/app", &[(".", "/app")], None),
            ("/app", &[], None),
        ] {
            let preopens: Vec<_> = preopens.iter().map(preopen).collect();
            let expected = name.map(|name| CString::new(format!("PWD={name}")).unwrap());
            assert_eq!(working_directory(Path::new(cwd), &preopens), expected, "{cwd} {preopens:?}");
        }
    }
}
