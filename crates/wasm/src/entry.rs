//! Which function a run calls: `_start`, or a named one, after `_initialize` where the module is a reactor.

use crate::refusal::Refusal;
use crate::shape::Shape;
use wasmparser::{FuncType, ValType};

const START: &str = "_start";
const INITIALIZE: &str = "_initialize";

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Called first; it returns nothing.
    pub(crate) initialize: Option<&'static str>,
    pub(crate) name: String,
    /// It returns one i32, which becomes the exit code.
    pub(crate) returns: bool,
}

/// Finds the function; `None` is `_start`.
pub(crate) fn find(shape: &Shape, wanted: Option<&str>) -> Result<Entry, Refusal> {
    let name = wanted.unwrap_or(START);
    let of = |name: &str| shape.exports.iter().find(|(exported, _)| exported == name).map(|(_, kind)| kind);
    let Some(kind) = of(name) else {
        return Err(Refusal::NoEntry { wanted: name.into(), exported: runnable(shape) });
    };
    let is_reactor = of(INITIALIZE).is_some_and(|kind| can_run(kind) && kind.results().is_empty());
    let initialize = (is_reactor && name != START && name != INITIALIZE).then_some(INITIALIZE);
    if !can_run(kind) {
        return Err(Refusal::EntryType(name.into()));
    }
    Ok(Entry { initialize, name: name.into(), returns: !kind.results().is_empty() })
}

fn can_run(kind: &FuncType) -> bool {
    kind.params().is_empty() && matches!(kind.results(), [] | [ValType::I32])
}

fn runnable(shape: &Shape) -> Vec<String> {
    shape.exports.iter().filter(|(name, kind)| can_run(kind) && name != INITIALIZE).map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_in(text: &str, wanted: Option<&str>) -> Result<Entry, Refusal> {
        find(&Shape::read(&wat::parse_str(text).unwrap()).unwrap(), wanted)
    }

    #[test]
    fn a_command_starts_and_a_reactor_is_initialized_first() {
        let entry = |initialize, name: &str, returns| Ok(Entry { initialize, name: name.into(), returns });
        assert_eq!(find_in(r#"(module (func (export "_start")))"#, None), entry(None, "_start", false));
        let reactor = r#"(module (func (export "_initialize")) (func (export "run") (result i32) i32.const 1))"#;
        assert_eq!(find_in(reactor, Some("run")), entry(Some("_initialize"), "run", true));
        assert_eq!(find_in(reactor, None), Err(Refusal::NoEntry { wanted: "_start".into(), exported: vec!["run".into()] }));
    }

    #[test]
    fn what_takes_or_gives_more_is_refused() {
        let module = r#"(module (func (export "a") (param i32)) (func (export "b") (result i64) i64.const 1))"#;
        assert_eq!(find_in(module, Some("a")), Err(Refusal::EntryType("a".into())));
        assert_eq!(find_in(module, Some("b")), Err(Refusal::EntryType("b".into())));
    }
}
