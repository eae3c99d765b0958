//! Which build this is. go-runc and dockerd read `NAME version X`, `commit: ` and `spec: `; podman shows the text as it is.

/// The version of this package.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The source revision, or `unknown` for a build outside git.
pub(crate) const COMMIT: &str = env!("SKIFF_COMMIT");
/// The newest version of the runtime specification that this build knows.
pub(crate) const SPEC: &str = "1.3.0";

/// What `--version` prints.
pub(crate) fn text() -> String {
    format!("skiff version {VERSION}\ncommit: {COMMIT}\nspec: {SPEC}\nrust: {}\n", env!("SKIFF_RUSTC"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_clients_read() {
        let text = text();
        let starts = text.lines().map(|line| line.split_once(' ').map_or(line, |(start, _)| start));
        assert!(starts.eq(["skiff", "commit:", "spec:", "rust:"]));
        assert!(text.starts_with("skiff version "));
    }
}
