//! Every row of integration/wasm/guests/expected.jsonl, through `run`: how each guest ends, what it prints, what its traps and
//! refusals say.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::common::{Out, Test};
use crate::wasm::{annotate, ask, cache, missing, place, rows, sources};

/// A test for each line: its name, and the guests whose rows it runs.
macro_rules! groups {
    ($($name:ident: $guests:expr;)*) => {
        const GROUPS: &[&[&str]] = &[$(&$guests),*];
        $(guests!($name, |t| run_group(t, &$guests));)*
    };
}

groups! {
    ends: ["hello", "world", "exit", "compute", "logging", "nothing", "reactor"];
    traps: ["trap", "trap-names", "trap-bare", "recurse"];
    waits: ["wait"];
    memories: ["memory", "memories", "pages-1", "pages-1024", "pages-65536"];
    files: ["files"];
    rights: ["escape", "fds", "rights"];
    imports: ["unknown", "signature", "wasix", "unstable"];
    no_modules: ["invalid", "truncated", "stub", "version", "component", "text", "wat", "script", "empty", "native"];
    rust: ["rust"];
    programs: ["sqlite", "qjs"];
}

#[test]
fn no_row_is_left_out() {
    if missing().is_some() || !sources().exists() {
        return;
    }
    for row in rows() {
        let name = name(&row);
        assert_eq!(GROUPS.iter().filter(|group| group.contains(&name)).count(), 1, "{name}");
    }
}

/// A field that is a text, or nothing.
fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_default()
}

fn words<'a>(row: &'a Value, key: &str) -> Vec<&'a str> {
    row[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn name(row: &Value) -> &str {
    Path::new(text(row, "guest")).file_stem().unwrap().to_str().unwrap()
}

/// All failures of a group in one list.
fn run_group(t: &mut Test, names: &[&str]) {
    let plain = t.spec.clone();
    let mut failures = Vec::new();
    for row in rows().iter().filter(|row| names.contains(&name(row))) {
        if !cache().join(text(row, "guest")).exists() {
            t.skip(&format!("{} is not built", text(row, "guest")));
            break;
        }
        t.spec = plain.clone();
        prepare(t, row);
        let out = run_row(t, row);
        let wrong = judge(row, &out);
        if !wrong.is_empty() {
            failures.push(format!("{row}\n  {}\n  {out:?}", wrong.join("\n  ")));
        }
        t.assert_nothing_left();
    }
    assert!(failures.is_empty(), "{} rows failed:\n{}", failures.len(), failures.join("\n"));
}

fn prepare(t: &mut Test, row: &Value) {
    let path = format!("/{}.wasm", name(row));
    place(&cache().join(text(row, "guest")), &t.rootfs().join(path.trim_start_matches('/')));
    let called = if row["call"].is_string() { format!("{path}#{}", text(row, "call")) } else { path };
    t.args(&[&[called.as_str()], words(row, "args").as_slice()].concat());
    annotate(t, "run.oci.handler", "wasm");
    t.spec["process"]["env"] = json!(words(row, "env"));
    // HOME is nobody's wish but ours.
    let names: Vec<_> = words(row, "env").iter().map(|entry| entry.split_once('=').unwrap().0).collect();
    ask(t, "env", &names.join(","));
    if let Some(pages) = row["pages"].as_u64() {
        ask(t, "memory", &(pages << 16).to_string());
    }
    preopen(t, text(row, "dir"));
}

/// A fresh copy of what the guests expect below `/data`.
fn preopen(t: &mut Test, mode: &str) {
    let world = t.rootfs().join("world");
    let _ = fs::remove_dir_all(&world);
    if mode.is_empty() {
        return ask(t, "preopens", "");
    }
    let copied = Command::new("cp").arg("-a").arg(cache().join("guests/world")).arg(&world).status().unwrap();
    assert!(copied.success());
    t.writable();
    ask(t, "preopens", &format!("/data:/world/data:{mode}"));
}

fn run_row(t: &Test, row: &Value) -> Out {
    let stdin = t.dir().join("stdin");
    fs::write(&stdin, text(row, "stdin")).unwrap();
    let mut command = t.command(&["run", &t.id]);
    command.stdin(Stdio::from(File::open(stdin).unwrap()));
    let mut running = t.spawn(command);
    if row["end"] == "never" {
        running.wait_for(text(row, "stdout"));
        t.kill("KILL");
    }
    running.wait()
}

/// The exit code that the row stands for; `None`: it is refused.
fn code(row: &Value) -> Option<i64> {
    let takes_arguments = row["result"].is_string() && row["args"].is_array();
    match (&row["end"], row["result"].as_str()) {
        (end, _) if end == "refused" || takes_arguments => None,
        // What a function returns is its exit code.
        (_, Some(result)) => result.parse().ok(),
        (end, _) if end == "never" => Some(137),
        (end, _) if end == "trap" => Some(134),
        (end, _) => end.as_i64(),
    }
}

/// What is wrong, in words; nothing if all is well.
fn judge(row: &Value, out: &Out) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |holds: bool, what: String| {
        if !holds {
            wrong.push(what)
        }
    };
    let Some(code) = code(row) else {
        check(out.code == 1 && out.stdout.is_empty(), "it is not refused".to_owned());
        check(out.stderr.lines().count() == 1, "the refusal is not one line".to_owned());
        for word in words(row, "named").into_iter().chain([name(row)]) {
            check(out.stderr.contains(word), format!("the refusal does not name {word}"));
        }
        return wrong;
    };
    check(i64::from(out.code) == code, format!("it ended with {} and not with {code}", out.code));
    check(matches(text(row, "stdout"), &out.stdout), "its stdout is another".to_owned());
    check(out.stderr.contains(text(row, "stderr")), "its stderr lacks something".to_owned());
    check(out.stderr.contains("wasm trap: ") == (row["end"] == "trap"), "a report of a trap, or none".to_owned());
    wrong.extend(judge_report(row, &out.stderr));
    wrong
}

fn judge_report(row: &Value, report: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut frames = report.lines().filter_map(|line| line.strip_prefix("  at "));
    for function in words(row, "functions") {
        // Other languages decorate their names.
        let is_it = |frame: &str| frame.split(" (").next().unwrap_or_default().contains(function);
        if !frames.any(is_it) {
            wrong.push(format!("the report lacks {function} at its place"));
        }
    }
    if row["line"].is_string() {
        let source = text(row, "source");
        let lines = fs::read_to_string(sources().join(source)).unwrap();
        let number = lines.lines().position(|line| line.contains(text(row, "line"))).unwrap() + 1;
        let place = format!("{source}:{number}");
        if !report.contains(&place) {
            wrong.push(format!("the report lacks {place}"));
        }
    }
    wrong
}

/// An asterisk stands for any text, everything else for itself.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<_> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(last)
}
