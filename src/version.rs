//! Which build this is. go-runc and dockerd read `NAME version X`, `commit: ` and `spec: `; podman shows the text as it is.

use crate::{Context, wasm};

/// The version of this package.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The source revision, or `unknown` for a build outside git.
pub(crate) const COMMIT: &str = env!("SKIFF_COMMIT");
/// The newest version of the runtime specification that this build knows.
pub(crate) const SPEC: &str = "1.3.0";

/// Which build this is, for another program of ours.
pub(crate) fn build() -> String {
    format!("{VERSION} {COMMIT}")
}

/// What `--version` prints: with the engine, where the second binary is there.
pub(crate) fn text(context: &Context) -> String {
    lines(&wasm::engine(context).unwrap_or_else(|| "none".to_owned()))
}

fn lines(engine: &str) -> String {
    format!("skiff version {VERSION}\ncommit: {COMMIT}\nspec: {SPEC}\nrust: {}\nwasm: {engine}\n", env!("SKIFF_RUSTC"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_clients_read() {
        let text = lines("WasmEdge 1.2.3");
        let starts = text.lines().map(|line| line.split_once(' ').map_or(line, |(start, _)| start));
        assert!(starts.eq(["skiff", "commit:", "spec:", "rust:", "wasm:"]));
        assert!(text.starts_with("skiff version "));
    }
}
