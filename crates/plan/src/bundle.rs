//! Reading a bundle: config.json, once, and where its root filesystem lies. Parent side.

use std::path::{Component, Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

use oci_spec::runtime::Spec;

use crate::repair;
use crate::{Error, Needs};

/// A bundle as it was read: the specification, and the paths that it is relative to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The bundle directory, absolute and without symbolic links.
    pub path: PathBuf,
    /// config.json.
    pub spec: Spec,
    /// `root.path`, absolute and without symbolic links; empty if `root` is missing, which [`crate::resolve`] refuses.
    pub rootfs: PathBuf,
    /// What config.json asks for though nobody can grant it, as a capability that no kernel has; for the log.
    pub warnings: Vec<String>,
}

impl Bundle {
    /// Reads the file `config` (normally `config.json`) of the bundle directory `path`, which may be relative.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the directory, the file or the root filesystem cannot be reached, [`Error::Parse`] or
    /// [`Error::Invalid`] if the file is no valid config.json.
    pub fn open(path: &Path, config: &str) -> Result<Bundle, Error> {
        let path = canonical("open bundle", path)?;
        let file = path.join(config);
        let json = skiff_sys::read_whole(None, &file).map_err(|errno| Error::Io {
            act: "read",
            path: file.clone(),
            source: errno.into(),
        })?;
        let mut bundle = Bundle::parse(path, &file, &json)?;
        bundle.rootfs = find_rootfs(&bundle)?;
        Ok(bundle)
    }

    /// What must be known of the host to resolve it.
    pub fn needs(&self) -> Needs {
        let seccomp = self.spec.linux().as_ref().is_some_and(|linux| linux.seccomp().is_some());
        Needs { controllers: true, seccomp, outer_uid: false }
    }

    /// The text `json` of `file` as a bundle at `path`, without a look at the root filesystem.
    pub(crate) fn parse(path: PathBuf, file: &Path, json: &[u8]) -> Result<Bundle, Error> {
        let (spec, warnings) = parse_spec(file, json)?;
        Ok(Bundle { path, spec, rootfs: PathBuf::new(), warnings })
    }
}

fn canonical(act: &'static str, path: &Path) -> Result<PathBuf, Error> {
    path.canonicalize().map_err(|source| Error::Io { act, path: path.to_owned(), source })
}

/// The last name of `root.path` may not be a symbolic link: it would lead wherever whoever owns the bundle wants, after we
/// looked.
fn find_rootfs(bundle: &Bundle) -> Result<PathBuf, Error> {
    let Some(root) = bundle.spec.root() else { return Ok(PathBuf::new()) };
    if root.path().as_os_str().is_empty() {
        return Err(Error::invalid("root.path", "is empty"));
    }
    let path: PathBuf = bundle.path.join(root.path()).components().collect();
    if !path.components().any(|part| part == Component::ParentDir) && is_directory_without_links(&path) {
        return Ok(path);
    }
    if path.is_symlink() {
        return Err(Error::invalid("root.path", format!("{} is a symbolic link", path.display())));
    }
    let rootfs = canonical("open root filesystem", &path)?;
    if rootfs.is_dir() { Ok(rootfs) } else { Err(Error::invalid("root.path", format!("{} is not a directory", path.display()))) }
}

/// One look-up by the kernel tells what `canonicalize` asks name by name.
fn is_directory_without_links(path: &Path) -> bool {
    let how =
        OpenHow::new().flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    // Closed by whoever executes next; one call less.
    openat2(nix::fcntl::AT_FDCWD, path, how).map(skiff_sys::leave_open).is_ok()
}

fn parse_spec(file: &Path, json: &[u8]) -> Result<(Spec, Vec<String>), Error> {
    let mut warnings = Vec::new();
    let mut spec = match strict(json) {
        Ok(spec) => spec,
        Err(error) => lenient(file, json, error, &mut warnings)?,
    };
    repair::missing_pids_limit(&mut spec, json);
    Ok((spec, warnings))
}

type PathError = serde_path_to_error::Error<serde_json::Error>;

fn strict(json: &[u8]) -> Result<Spec, PathError> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let spec = serde_path_to_error::deserialize(&mut reader)?;
    // Text after the document has no path; the empty track says so.
    reader.end().map_err(|error| PathError::new(serde_path_to_error::Track::new().path(), error))?;
    Ok(spec)
}

/// A second try on the repaired document. Only a file that failed pays for it; where there is nothing to repair the
/// first error stays, since it knows line and column.
fn lenient(file: &Path, json: &[u8], first: PathError, warnings: &mut Vec<String>) -> Result<Spec, Error> {
    let Ok(mut document) = serde_json::from_slice::<serde_json::Value>(json) else { return Err(parse_error(file, first)) };
    if !repair::document(&mut document, warnings) {
        return Err(parse_error(file, first));
    }
    serde_path_to_error::deserialize(document).map_err(|error| parse_error(file, error))
}

fn parse_error(file: &Path, error: PathError) -> Error {
    let path = error.path().to_string();
    let source = error.into_inner();
    if source.is_data() && path.starts_with("process.scheduler") {
        // oci-spec misnames some of the scheduler's flags; the field is refused anyway.
        return Error::unsupported("process.scheduler");
    }
    let field = if source.is_data() && path != "." { path } else { String::new() };
    Error::Parse { path: file.to_owned(), field, source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn parse(json: &str) -> Result<Bundle, Error> {
        Bundle::parse(PathBuf::from("/bundle"), Path::new("/bundle/config.json"), json.as_bytes())
    }

    #[test]
    fn errors_name_file_place_and_field() {
        let cases = [
            (
                "{\n \"ociVersion\": \"1.2.1\",\n \"process\": {\"user\": {}, \"cwd\": \"/\", \"rlimits\": [{\"type\": \"RLIMIT_X\"}]}\n}",
                "parse /bundle/config.json: process.rlimits[0].type: unknown variant `RLIMIT_X`",
                "at line 3 column",
            ),
            (
                "{\n \"ociVersion\": 1\n}",
                "parse /bundle/config.json: ociVersion: invalid type: integer `1`",
                "at line 2 column 16",
            ),
            ("{\n \"ociVersion\":\n}", "parse /bundle/config.json: expected value", "at line 3 column 1"),
            ("", "parse /bundle/config.json: EOF while parsing a value", "at line 1 column 0"),
            ("{} x", "parse /bundle/config.json: trailing characters", "at line 1 column 4"),
            ("7", "parse /bundle/config.json: invalid type: integer `7`", "at line 1 column 1"),
        ];
        for (json, start, place) in cases {
            let text = parse(json).unwrap_err().to_string();
            assert!(text.starts_with(start), "{text}");
            assert!(text.contains(place), "{text}");
        }
    }

    #[test]
    fn a_valid_scheduler_is_unsupported_whatever_its_flags() {
        let json = r#"{"ociVersion":"1.2.1","process":{"user":{},"cwd":"/","scheduler":{"policy":"SCHED_FIFO","flags":["SCHED_FLAG_RESET_ON_FORK"]}}}"#;
        let text = parse(json).unwrap_err().to_string();
        assert_eq!(text, "config.json: process.scheduler: not supported yet");
    }

    #[test]
    fn an_unknown_capability_is_a_warning() {
        let json = r#"{"ociVersion":"1.2.1","process":{"user":{},"cwd":"/","capabilities":{"bounding":["CAP_KILL","CAP_NEW"],"ambient":["CAP_NEW"]}}}"#;
        let bundle = parse(json).unwrap();
        let bounding = bundle.spec.process().as_ref().unwrap().capabilities().as_ref().unwrap().bounding().as_ref().unwrap();
        assert_eq!(bounding.len(), 1);
        assert_eq!(
            bundle.warnings,
            [
                "process.capabilities.bounding: unknown capability CAP_NEW is ignored",
                "process.capabilities.ambient: unknown capability CAP_NEW is ignored",
            ]
        );
    }

    #[test]
    fn a_repaired_document_still_reports_other_errors() {
        let json = r#"{"ociVersion":7,"process":{"user":{},"cwd":"/","capabilities":{"bounding":["CAP_NEW"]}}}"#;
        let text = parse(json).unwrap_err().to_string();
        assert!(text.starts_with("parse /bundle/config.json: ociVersion: invalid type"), "{text}");
    }

    #[test]
    fn a_pids_block_without_a_limit_is_no_limit() {
        for (json, expected) in [
            (r#"{"linux":{"resources":{"pids":{}}}}"#, None),
            (r#"{"linux":{"resources":{"pids":{"limit":null}}}}"#, None),
            (r#"{"linux":{"resources":{"pids":{"limit":0}}}}"#, Some(0)),
            (r#"{"linux":{"resources":{"pids":{"limit":7}}}}"#, Some(7)),
        ] {
            let bundle = parse(json).unwrap();
            let resources = bundle.spec.linux().as_ref().unwrap().resources().as_ref().unwrap();
            assert_eq!(resources.pids().map(|pids| pids.limit()), expected, "{json}");
        }
    }

    #[test]
    fn a_null_is_an_absent_field_as_in_go() {
        let json = r#"{"process":{"user":{"uid":null},"cwd":"/"},"root":{"path":"r","readonly":null},"mounts":null}"#;
        let bundle = parse(json).unwrap();
        assert_eq!(bundle.spec.process().as_ref().unwrap().user().uid(), 0);
        assert_eq!(bundle.warnings, Vec::<String>::new());
    }

    #[test]
    fn a_huge_hugepage_limit_is_the_largest_one() {
        let json = r#"{"linux":{"resources":{"hugepageLimits":[{"pageSize":"2MB","limit":18446744073709551615}]}}}"#;
        let bundle = parse(json).unwrap();
        let limits = bundle.spec.linux().as_ref().unwrap().resources().as_ref().unwrap().hugepage_limits().clone().unwrap();
        assert_eq!(limits[0].limit(), i64::MAX);
    }

    #[test]
    fn open_resolves_links_and_reports_what_is_missing() {
        let dir = std::env::temp_dir().join(format!("skiff-plan-bundle-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("real/rootfs")).unwrap();
        let dir = dir.canonicalize().unwrap();
        let link = dir.join("link");
        std::os::unix::fs::symlink(dir.join("real"), &link).unwrap();

        let text = Bundle::open(&dir.join("none"), "config.json").unwrap_err().to_string();
        assert!(text.starts_with(&format!("open bundle {}/none: ", dir.display())), "{text}");
        let text = Bundle::open(&link, "config.json").unwrap_err().to_string();
        assert!(text.starts_with(&format!("read {}/real/config.json: ", dir.display())), "{text}");

        for (root, expected) in [
            (r#"{"path":"rootfs"}"#, Ok(dir.join("real/rootfs"))),
            (r#"{"path":"./rootfs/"}"#, Ok(dir.join("real/rootfs"))),
            (r#"{"path":""}"#, Err("config.json: root.path: is empty".to_owned())),
            (
                r#"{"path":"config.json"}"#,
                Err(format!("config.json: root.path: {}/real/config.json is not a directory", dir.display())),
            ),
            (r#"{"path":"../link/rootfs"}"#, Ok(dir.join("real/rootfs"))),
            (r#"{"path":"../link"}"#, Err(format!("config.json: root.path: {}/real/../link is a symbolic link", dir.display()))),
            (r#"{"path":"gone"}"#, Err(format!("open root filesystem {}/real/gone: no such file or directory", dir.display()))),
        ] {
            std::fs::write(dir.join("real/config.json"), format!(r#"{{"ociVersion":"1.0.0","root":{root}}}"#)).unwrap();
            let found = Bundle::open(&link, "config.json").map(|bundle| bundle.rootfs).map_err(|error| error.to_string());
            assert_eq!(found, expected, "{root}");
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
