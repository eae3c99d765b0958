//! From the text of skiff.toml to settings. Parent side, pure.

use std::path::Path;

use super::Settings;
use super::document::{Entry, entries};
use crate::Error;
use crate::wasm::units::size_text;
use crate::wasm::{Allowed, Ceiling, Compile, Profile};

/// The tables of the document.
const SECTIONS: [&str; 4] = ["wasm", "wasm.cache", "wasm.compiler", "wasm.ceiling"];

/// Reads `text` of `file`; with `system`, the administrator's settings, it is a user's file, which nothing of it may go beyond.
///
/// # Errors
/// [`Error::Settings`] with the line and the key.
pub(super) fn parse(file: &Path, text: &str, system: Option<&Settings>) -> Result<Settings, Error> {
    let problem = |problem: super::document::Problem| Error::Settings {
        path: file.to_owned(),
        line: problem.line,
        key: problem.key,
        why: problem.why,
    };
    let mut entries = entries(text, &SECTIONS).map_err(problem)?;
    // What else there is lies below the ceiling, wherever that stands.
    entries.sort_by_key(|entry| !entry.key.starts_with("wasm.ceiling."));
    let mut settings = system.cloned().unwrap_or_default();
    for entry in &entries {
        set(&mut settings, entry, system).map_err(|why| problem(entry.problem(why)))?;
    }
    let says = |key: &str| entries.iter().any(|entry| entry.key == key);
    // Who turns the compiler off means it, unless containers are allowed to turn it on.
    if says("wasm.compile") && settings.compile == Compile::Off && !says("wasm.ceiling.compile") {
        settings.ceiling.compile = Compile::Off;
    }
    settings.compile = settings.compile.min(settings.ceiling.compile);
    settings.sniff &= settings.ceiling.sniff;
    Ok(settings)
}

fn set(settings: &mut Settings, entry: &Entry<'_>, system: Option<&Settings>) -> Result<(), String> {
    let Some(key) = entry.key.strip_prefix("wasm.") else { return Err(unknown(&entry.key)) };
    match key {
        "profile" => settings.profile = Profile::read(entry.string()?)?,
        "sniff" => settings.sniff = checked(entry.boolean()?, |sniff| settings.ceiling.sniff(*sniff))?,
        "compile" => {
            let compile = Compile::read(entry.string()?)?;
            settings.compile = checked(compile, |compile| settings.ceiling.compile(*compile))?;
        }
        "plugin_dir" if system.is_some() => return Err("only the administrator can set it".to_owned()),
        "plugin_dir" => settings.plugin_dir = Some(entry.path()?),
        "cache.max_size" => {
            settings.cache_size = entry.size()?;
            below(system, |system| system.cache_size, settings.cache_size, |size| size_text(*size))?;
        }
        "compiler.max_memory" => {
            settings.compile_memory = entry.size()?;
            below(system, |system| system.compile_memory, settings.compile_memory, |size| size_text(*size))?;
        }
        "compiler.max_time" => {
            settings.compile_time = entry.duration()?;
            below(system, |system| system.compile_time, settings.compile_time, |time| format!("{time:?}"))?;
        }
        other => match other.strip_prefix("ceiling.") {
            Some(key) => lower(&mut settings.ceiling, key, entry)?,
            None => return Err(unknown(&entry.key)),
        },
    }
    Ok(())
}

/// One key of the ceiling. It starts with nothing forbidden, or as the administrator's, and is only ever lowered.
fn lower(ceiling: &mut Ceiling, key: &str, entry: &Entry<'_>) -> Result<(), String> {
    match key {
        "preopens" => ceiling.preopens = preopens(ceiling, &entry.strings()?)?,
        "sockets" => ceiling.sockets = checked(entry.boolean()?, |sockets| ceiling.sockets(*sockets))?,
        "env" => ceiling.env = checked(entry.names()?, |names| ceiling.env(names))?,
        "max_memory" => ceiling.max_memory = Some(checked(memory(entry)?, |bytes| ceiling.memory(*bytes))?),
        "max_timeout" => ceiling.max_timeout = Some(checked(entry.duration()?, |time| ceiling.timeout(*time))?),
        "plugins" => ceiling.plugins = checked(entry.names()?, |names| ceiling.plugins(names))?,
        "sniff" => ceiling.sniff = checked(entry.boolean()?, |sniff| ceiling.sniff(*sniff))?,
        "interpret" => ceiling.interpret = checked(entry.boolean()?, |interpret| ceiling.interpret(*interpret))?,
        "compile" => {
            ceiling.compile = checked(Compile::read(entry.string()?)?, |compile| ceiling.compile(*compile))?;
        }
        _ => return Err(unknown(&entry.key)),
    }
    Ok(())
}

fn preopens(ceiling: &Ceiling, list: &[&str]) -> Result<Vec<Allowed>, String> {
    let allowed = list.iter().map(|text| Allowed::read(text)).collect::<Result<Vec<_>, _>>()?;
    for (index, one) in allowed.iter().enumerate() {
        ceiling.preopen(&one.path, one.read_only)?;
        if allowed[..index].iter().any(|other| other.path == one.path) {
            return Err(format!("`{}` is there twice", one.path.display()));
        }
    }
    Ok(allowed)
}

fn memory(entry: &Entry<'_>) -> Result<u64, String> {
    let bytes = entry.size()?;
    if bytes < crate::wasm::PAGE { Err(format!("`{}` is less than a page of 64k", size_text(bytes))) } else { Ok(bytes) }
}

fn checked<T>(value: T, check: impl FnOnce(&T) -> Result<(), String>) -> Result<T, String> {
    check(&value).map(|()| value)
}

/// A user's limit is not above the administrator's.
fn below<T: PartialOrd>(
    system: Option<&Settings>,
    limit: impl Fn(&Settings) -> T,
    asked: T,
    text: impl Fn(&T) -> String,
) -> Result<(), String> {
    match system.map(limit) {
        Some(limit) if asked > limit => Err(format!("{} is more than the administrator allows: {}", text(&asked), text(&limit))),
        _ => Ok(()),
    }
}

fn unknown(key: &str) -> String {
    if SECTIONS.contains(&key) { "has to be a table".to_owned() } else { "is not known".to_owned() }
}
