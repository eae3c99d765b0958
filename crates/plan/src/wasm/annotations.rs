//! The annotations `org.skiff.wasm.*`: what a container asks for itself. Unknown names and values are errors, since a slip of the
//! pen must not give more than was meant. Parent side, pure.

use std::collections::HashMap;
use std::time::Duration;

use super::preopen::Preopen;
use super::units::{self, Names, comma_list};
use super::{Compile, Profile};
use crate::Error;

const PREFIX: &str = "org.skiff.wasm.";

/// Every annotation below [`PREFIX`].
const NAMES: [&str; 11] =
    ["compile", "env", "fuel", "interpret", "memory", "plugins", "preopens", "profile", "sniff", "sockets", "timeout"];

/// Annotations that change what skiff does, as `potentiallyUnsafeConfigAnnotations` of features.md lists them.
pub const ANNOTATIONS: [&str; 15] = [
    "io.kubernetes.cri-o.ContainerType",
    "io.kubernetes.cri.container-type",
    "module.wasm.image/variant",
    "org.skiff.wasm.compile",
    "org.skiff.wasm.env",
    "org.skiff.wasm.fuel",
    "org.skiff.wasm.interpret",
    "org.skiff.wasm.memory",
    "org.skiff.wasm.plugins",
    "org.skiff.wasm.preopens",
    "org.skiff.wasm.profile",
    "org.skiff.wasm.sniff",
    "org.skiff.wasm.sockets",
    "org.skiff.wasm.timeout",
    "run.oci.handler",
];

/// What the annotations of one container say; what they leave out is `None`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) compile: Option<Compile>,
    pub(super) env: Option<Names>,
    pub(super) fuel: Option<u64>,
    pub(super) interpret: Option<bool>,
    pub(super) memory: Option<u64>,
    pub(super) plugins: Option<Vec<String>>,
    pub(super) preopens: Option<Vec<Preopen>>,
    pub(super) profile: Option<Profile>,
    pub(super) sniff: Option<bool>,
    pub(super) sockets: Option<bool>,
    pub(super) timeout: Option<Duration>,
}

impl Asked {
    /// Reads them.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the annotation's name.
    pub(super) fn read(annotations: &HashMap<String, String>) -> Result<Asked, Error> {
        known(annotations)?;
        Ok(Asked {
            compile: value(annotations, "compile", Compile::read)?,
            env: value(annotations, "env", |text| Names::read(comma_list(text)))?,
            fuel: value(annotations, "fuel", fuel)?,
            interpret: value(annotations, "interpret", boolean)?,
            memory: value(annotations, "memory", memory)?,
            plugins: value(annotations, "plugins", |text| units::names(&comma_list(text).collect::<Vec<_>>()))?,
            preopens: value(annotations, "preopens", |text| Preopen::list(comma_list(text)))?,
            profile: value(annotations, "profile", Profile::read)?,
            sniff: value(annotations, "sniff", boolean)?,
            sockets: value(annotations, "sockets", boolean)?,
            timeout: value(annotations, "timeout", units::duration)?,
        })
    }
}

/// `why` about one annotation.
pub(super) fn error(name: &str, why: String) -> Error {
    Error::invalid(format!("annotation {PREFIX}{name}"), why)
}

fn known(annotations: &HashMap<String, String>) -> Result<(), Error> {
    let names = annotations.keys().filter_map(|key| key.strip_prefix(PREFIX));
    match names.filter(|name| !NAMES.contains(name)).min() {
        Some(unknown) => Err(error(unknown, format!("not known: there are {}", NAMES.join(", ")))),
        None => Ok(()),
    }
}

fn value<T>(
    annotations: &HashMap<String, String>,
    name: &str,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, Error> {
    let text = annotations.get(&format!("{PREFIX}{name}"));
    text.map(|text| read(text)).transpose().map_err(|why| error(name, why))
}

fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("`{other}` is neither true nor false")),
    }
}

fn fuel(text: &str) -> Result<u64, String> {
    units::whole(text).filter(|fuel| *fuel > 0).ok_or_else(|| format!("`{text}` is no count of instructions above 0"))
}

/// Less than one page is no memory at all, which nobody means who sets a limit.
fn memory(text: &str) -> Result<u64, String> {
    match units::size(text)? {
        bytes if bytes < super::PAGE => Err(format!("`{text}` is less than a page of 64k")),
        bytes => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn read(list: &[(&str, &str)]) -> Result<Asked, String> {
        let annotations = list.iter().map(|(name, text)| (format!("{PREFIX}{name}"), (*text).to_owned())).collect();
        Asked::read(&annotations).map_err(|error| error.to_string())
    }

    #[test]
    fn good_ones() {
        let root = || Preopen::read("/:ro").unwrap();
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let cases: [(&str, &str, Asked); 21] = [
            ("compile", "off", Asked { compile: Some(Compile::Off), ..Asked::default() }),
            ("compile", "background", Asked { compile: Some(Compile::Background), ..Asked::default() }),
            ("compile", "before-start", Asked { compile: Some(Compile::BeforeStart), ..Asked::default() }),
            ("env", "", Asked { env: Some(Names::Only(vec![])), ..Asked::default() }),
            ("env", "*", Asked { env: Some(Names::All), ..Asked::default() }),
            ("env", "PATH,LANG", Asked { env: Some(Names::Only(names(&["PATH", "LANG"]))), ..Asked::default() }),
            ("fuel", "1000000", Asked { fuel: Some(1_000_000), ..Asked::default() }),
            ("interpret", "true", Asked { interpret: Some(true), ..Asked::default() }),
            ("interpret", "false", Asked { interpret: Some(false), ..Asked::default() }),
            ("memory", "64k", Asked { memory: Some(65536), ..Asked::default() }),
            ("memory", "67108864", Asked { memory: Some(64 << 20), ..Asked::default() }),
            ("plugins", "", Asked { plugins: Some(vec![]), ..Asked::default() }),
            ("plugins", "wasi_nn,wasi_crypto", Asked { plugins: Some(names(&["wasi_nn", "wasi_crypto"])), ..Asked::default() }),
            ("preopens", "", Asked { preopens: Some(vec![]), ..Asked::default() }),
            ("preopens", "/:ro", Asked { preopens: Some(vec![root()]), ..Asked::default() }),
            ("profile", "crun", Asked { profile: Some(Profile::Crun), ..Asked::default() }),
            ("profile", "deny", Asked { profile: Some(Profile::Deny), ..Asked::default() }),
            ("sniff", "true", Asked { sniff: Some(true), ..Asked::default() }),
            ("sockets", "false", Asked { sockets: Some(false), ..Asked::default() }),
            ("timeout", "1m30s", Asked { timeout: Some(Duration::from_secs(90)), ..Asked::default() }),
            ("timeout", "90", Asked { timeout: Some(Duration::from_secs(90)), ..Asked::default() }),
        ];
        for (name, text, expected) in cases {
            assert_eq!(read(&[(name, text)]), Ok(expected), "{name}={text}");
        }
        assert_eq!(Asked::read(&HashMap::from([("org.skiff.other".to_owned(), "x".to_owned())])).unwrap(), Asked::default());
    }

    #[test]
    fn bad_ones() {
        for (name, text, why) in [
            ("compile", "", "`` is none of off, background, before-start"),
            ("compile", "now", "`now` is none of off, background, before-start"),
            ("env", "A,,B", "`` is no name: letters, digits, `_`, `-` and `.`"),
            ("env", "A,A", "`A` is there twice"),
            ("fuel", "0", "`0` is no count of instructions above 0"),
            ("fuel", "1k", "`1k` is no count of instructions above 0"),
            ("fuel", "-1", "`-1` is no count of instructions above 0"),
            ("interpret", "yes", "`yes` is neither true nor false"),
            ("memory", "", "`` is no size: bytes above 0, or a number with k, m or g"),
            ("memory", "64MB", "`64MB` is no size: bytes above 0, or a number with k, m or g"),
            ("memory", "65535", "`65535` is less than a page of 64k"),
            ("plugins", "*", "`*` is no name: letters, digits, `_`, `-` and `.`"),
            ("plugins", "../evil", "`../evil` is no name: letters, digits, `_`, `-` and `.`"),
            ("preopens", "data", "`data` is no [GUEST:]PATH[:ro|:rw] with absolute paths"),
            ("preopens", "/a,/b/../c", "`/b/../c` is no [GUEST:]PATH[:ro|:rw] with absolute paths"),
            ("preopens", "/a,/a:ro", "`/a` is there twice"),
            ("profile", "", "`` is none of crun, deny"),
            ("profile", "Deny", "`Deny` is none of crun, deny"),
            ("sniff", "1", "`1` is neither true nor false"),
            ("sockets", "", "`` is neither true nor false"),
            ("sockets", "off", "`off` is neither true nor false"),
            ("timeout", "0", "`0` is no duration: seconds above 0, or as in 90s, 1m30s, 200ms"),
            ("timeout", "soon", "`soon` is no duration: seconds above 0, or as in 90s, 1m30s, 200ms"),
        ] {
            assert_eq!(
                read(&[(name, text)]),
                Err(format!("config.json: annotation org.skiff.wasm.{name}: {why}")),
                "{name}={text}"
            );
        }
    }

    #[test]
    fn unknown_names() {
        let known = "compile, env, fuel, interpret, memory, plugins, preopens, profile, sniff, sockets, timeout";
        for name in ["socket", "Sockets", "", "sockets.", "memory.max"] {
            let expected = format!("config.json: annotation org.skiff.wasm.{name}: not known: there are {known}");
            assert_eq!(read(&[("memory", "bad"), (name, "false")]), Err(expected));
        }
    }

    #[test]
    fn the_list_for_features() {
        let ours: Vec<&str> = ANNOTATIONS.into_iter().filter_map(|key| key.strip_prefix(PREFIX)).collect();
        assert_eq!(ours, NAMES);
        assert!(ANNOTATIONS.is_sorted());
    }
}
