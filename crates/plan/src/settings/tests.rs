//! skiff.toml as a table: what each key comes to, and the exact text of each error.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::time::Duration;

use super::Settings;
use super::parse::parse;
use crate::wasm::{Allowed, Ceiling, Compile, Names, Profile};

fn read(text: &str) -> Result<Settings, String> {
    parse(Path::new("/etc/skiff/skiff.toml"), text, None).map_err(|error| error.to_string())
}

fn users(system: &str, text: &str) -> Result<Settings, String> {
    let system = read(system).unwrap();
    parse(Path::new("/h/skiff.toml"), text, Some(&system)).map_err(|error| error.to_string())
}

fn only(names: &[&str]) -> Names {
    Names::Only(names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn nothing_said_is_the_default() {
    for text in ["", "# nothing\n", "[wasm]\n", "[wasm.cache]\n[wasm.ceiling]\n", "wasm = {}"] {
        assert_eq!(read(text), Ok(Settings::default()), "{text}");
    }
}

#[test]
fn every_key() {
    let text = r#"
        [wasm]
        profile = "deny"
        sniff = true
        compile = "before-start"
        plugin_dir = "/usr/lib/skiff//plugins/"

        [wasm.cache]
        max_size = "512m"

        [wasm.compiler]
        max_memory = 1_073_741_824
        max_time = "5m"

        [wasm.ceiling]
        preopens = ["/data", "/etc/ssl:ro"]
        sockets = false
        env = ["PATH", "LANG"]
        max_memory = "256m"
        max_timeout = 3600
        plugins = ["wasi_nn"]
        sniff = true
        interpret = false
        compile = "before-start"
    "#;
    let expected = Settings {
        profile: Profile::Deny,
        sniff: true,
        compile: Compile::BeforeStart,
        plugin_dir: Some("/usr/lib/skiff/plugins".into()),
        cache_size: 512 << 20,
        compile_time: Duration::from_secs(300),
        compile_memory: 1 << 30,
        ceiling: Ceiling {
            preopens: vec![
                Allowed { path: "/data".into(), read_only: false },
                Allowed { path: "/etc/ssl".into(), read_only: true },
            ],
            sockets: false,
            env: only(&["PATH", "LANG"]),
            max_memory: Some(256 << 20),
            max_timeout: Some(Duration::from_secs(3600)),
            plugins: only(&["wasi_nn"]),
            sniff: true,
            interpret: false,
            compile: Compile::BeforeStart,
        },
    };
    assert_eq!(read(text), Ok(expected));
}

#[test]
fn empty_lists_forbid_all() {
    let ceiling = read("[wasm.ceiling]\npreopens = []\nenv = []\nplugins = []").unwrap().ceiling;
    assert_eq!((ceiling.preopens, ceiling.env, ceiling.plugins), (vec![], only(&[]), only(&[])));
    let ceiling = read("[wasm.ceiling]\nenv = ['*']\nplugins = ['*']").unwrap().ceiling;
    assert_eq!((ceiling.env, ceiling.plugins), (Names::All, Names::All));
}

#[test]
fn every_error_names_file_line_key_and_reason() {
    let size = "is no size: bytes above 0, or a number with k, m or g";
    let duration = "is no duration: seconds above 0, or as in 90s, 1m30s, 200ms";
    for (text, expected) in [
        // The document.
        ("[wasm\n", "line 1: unclosed table, expected `]`".to_owned()),
        ("\n\n[wasm]\nsniff = yes\n", "line 4: string values must be quoted, expected literal string".to_owned()),
        ("[wasm]\nsniff = true\nsniff = true\n", "line 3: duplicate key".to_owned()),
        ("[wasm]\n[wasm]\n", "line 2: duplicate key".to_owned()),
        // Keys.
        ("[wasn]\nsniff = true\n", "line 1: wasn: is not known".to_owned()),
        ("sniff = true\n", "line 1: sniff: is not known".to_owned()),
        ("[wasm]\n\nSniff = true\n", "line 3: wasm.Sniff: is not known".to_owned()),
        ("[wasm]\nmax_size = 1\n", "line 2: wasm.max_size: is not known".to_owned()),
        ("[wasm.cache]\nmax-size = 1\n", "line 2: wasm.cache.max-size: is not known".to_owned()),
        ("[wasm.ceiling]\nsocket = false\n", "line 2: wasm.ceiling.socket: is not known".to_owned()),
        ("[wasm.ceiling.sockets]\n", "line 1: wasm.ceiling.sockets: has to be true or false".to_owned()),
        ("[wasm.engine]\n", "line 1: wasm.engine: is not known".to_owned()),
        ("wasm = 1\n", "line 1: wasm: has to be a table".to_owned()),
        ("[[wasm]]\n", "line 1: wasm: has to be a table".to_owned()),
        ("[wasm]\nceiling = 'low'\n", "line 2: wasm.ceiling: has to be a table".to_owned()),
        // Types.
        ("[wasm]\nprofile = true\n", "line 2: wasm.profile: has to be a string".to_owned()),
        ("[wasm]\nsniff = 'true'\n", "line 2: wasm.sniff: has to be true or false".to_owned()),
        ("[wasm]\nplugin_dir = ['/a']\n", "line 2: wasm.plugin_dir: has to be a string".to_owned()),
        ("[wasm.cache]\nmax_size = 1.5\n", "line 2: wasm.cache.max_size: has to be a size".to_owned()),
        ("[wasm.cache]\nmax_size = 0x10\n", "line 2: wasm.cache.max_size: has to be a size".to_owned()),
        ("[wasm.compiler]\nmax_time = 07:32:00\n", "line 2: wasm.compiler.max_time: has to be a duration".to_owned()),
        ("[wasm.ceiling]\npreopens = '/'\n", "line 2: wasm.ceiling.preopens: has to be a list of strings".to_owned()),
        ("[wasm.ceiling]\nenv = [1]\n", "line 2: wasm.ceiling.env: has to be a list of strings".to_owned()),
        ("[wasm.ceiling]\nenv = true\n", "line 2: wasm.ceiling.env: has to be a list of strings".to_owned()),
        // Values.
        ("[wasm]\nprofile = 'podman'\n", "line 2: wasm.profile: `podman` is none of crun, deny".to_owned()),
        ("[wasm]\ncompile = 'on'\n", "line 2: wasm.compile: `on` is none of off, background, before-start".to_owned()),
        ("[wasm]\nplugin_dir = 'lib'\n", "line 2: wasm.plugin_dir: `lib` is no absolute path without `..` and `:`".to_owned()),
        (
            "[wasm]\nplugin_dir = '/a/../b'\n",
            "line 2: wasm.plugin_dir: `/a/../b` is no absolute path without `..` and `:`".to_owned(),
        ),
        ("[wasm.cache]\nmax_size = 0\n", format!("line 2: wasm.cache.max_size: `0` {size}")),
        ("[wasm.cache]\nmax_size = -1\n", format!("line 2: wasm.cache.max_size: `-1` {size}")),
        ("[wasm.cache]\nmax_size = '1GB'\n", format!("line 2: wasm.cache.max_size: `1GB` {size}")),
        ("[wasm.compiler]\nmax_memory = ''\n", format!("line 2: wasm.compiler.max_memory: `` {size}")),
        ("[wasm.compiler]\nmax_time = '5 m'\n", format!("line 2: wasm.compiler.max_time: `5 m` {duration}")),
        ("[wasm.ceiling]\nmax_timeout = 0\n", format!("line 2: wasm.ceiling.max_timeout: `0` {duration}")),
        ("[wasm.ceiling]\nmax_memory = 1\n", "line 2: wasm.ceiling.max_memory: `1` is less than a page of 64k".to_owned()),
        (
            "[wasm.ceiling]\npreopens = ['data']\n",
            "line 2: wasm.ceiling.preopens: `data` is no PATH, PATH:ro or PATH:rw with an absolute path".to_owned(),
        ),
        ("[wasm.ceiling]\npreopens = ['/a', '/a/:ro']\n", "line 2: wasm.ceiling.preopens: `/a` is there twice".to_owned()),
        ("[wasm.ceiling]\nenv = [\n'A',\n'A']\n", "line 2: wasm.ceiling.env: `A` is there twice".to_owned()),
        (
            "[wasm.ceiling]\nplugins = ['a b']\n",
            "line 2: wasm.ceiling.plugins: `a b` is no name: letters, digits, `_`, `-` and `.`".to_owned(),
        ),
        // Above its own ceiling, though that stands further down.
        (
            "[wasm]\nsniff = true\n[wasm.ceiling]\nsniff = false\n",
            "line 2: wasm.sniff: true is more than wasm.ceiling.sniff of skiff.toml allows: false".to_owned(),
        ),
        (
            "[wasm]\ncompile = 'before-start'\n[wasm.ceiling]\ncompile = 'background'\n",
            "line 2: wasm.compile: before-start is more than wasm.ceiling.compile of skiff.toml allows: background".to_owned(),
        ),
    ] {
        assert_eq!(read(text), Err(format!("/etc/skiff/skiff.toml: {expected}")), "{text}");
    }
}

#[test]
fn a_compiler_that_is_off_stays_off() {
    for (text, default, ceiling) in [
        ("[wasm]\ncompile = 'off'", Compile::Off, Compile::Off),
        ("[wasm]\ncompile = 'off'\nceiling.compile = 'background'", Compile::Off, Compile::Background),
        ("[wasm]\nceiling.compile = 'off'", Compile::Off, Compile::Off),
        ("[wasm]\nceiling.compile = 'background'", Compile::Background, Compile::Background),
        ("[wasm]\ncompile = 'background'", Compile::Background, Compile::BeforeStart),
    ] {
        let settings = read(text).unwrap();
        assert_eq!((settings.compile, settings.ceiling.compile), (default, ceiling), "{text}");
    }
}

#[test]
fn a_users_file_changes_what_is_left_to_it() {
    let system = "[wasm]\nsniff = true\nplugin_dir = '/p'\n[wasm.ceiling]\npreopens = ['/data', '/srv:ro']\nmax_memory = '256m'";
    assert_eq!(users(system, ""), read(system));
    let text = "[wasm]\nprofile = 'deny'\nsniff = false\ncompile = 'off'\ncache.max_size = '1m'\ncompiler.max_time = 60\n\
        compiler.max_memory = '1g'\n[wasm.ceiling]\npreopens = ['/data/x:ro', '/srv/y:ro']\nsockets = false\nenv = ['A']\nmax_memory = '1m'\n\
        max_timeout = 1\nplugins = []\nsniff = false\ninterpret = false";
    let expected = Settings {
        profile: Profile::Deny,
        sniff: false,
        compile: Compile::Off,
        plugin_dir: Some("/p".into()),
        cache_size: 1 << 20,
        compile_time: Duration::from_secs(60),
        compile_memory: 1 << 30,
        ceiling: Ceiling {
            preopens: vec![
                Allowed { path: "/data/x".into(), read_only: true },
                Allowed { path: "/srv/y".into(), read_only: true },
            ],
            sockets: false,
            env: only(&["A"]),
            max_memory: Some(1 << 20),
            max_timeout: Some(Duration::from_secs(1)),
            plugins: only(&[]),
            sniff: false,
            interpret: false,
            compile: Compile::Off,
        },
    };
    assert_eq!(users(system, text), Ok(expected));
}

/// The administrator's default counts no more where the user's ceiling is below it.
#[test]
fn a_users_ceiling_lowers_the_administrators_defaults() {
    let settings = users("[wasm]\nsniff = true", "[wasm.ceiling]\nsniff = false\ncompile = 'off'").unwrap();
    assert_eq!((settings.sniff, settings.compile), (false, Compile::Off));
}

#[test]
fn a_users_file_only_takes_away() {
    let above = |key: &str, asked: &str, allowed: &str| {
        format!("{asked} is more than wasm.ceiling.{key} of skiff.toml allows: {allowed}")
    };
    let limit = |asked: &str, allowed: &str| format!("{asked} is more than the administrator allows: {allowed}");
    let ceiling = |line: &str| format!("[wasm.ceiling]\n{line}\n");
    for (system, text, key, why) in [
        (ceiling("preopens = ['/data']"), ceiling("preopens = ['/']"), "ceiling.preopens", above("preopens", "/:rw", "/data:rw")),
        (ceiling("preopens = ['/:ro']"), ceiling("preopens = ['/a']"), "ceiling.preopens", above("preopens", "/a:rw", "/:ro")),
        (ceiling("preopens = []"), ceiling("preopens = ['/a']"), "ceiling.preopens", above("preopens", "/a:rw", "none")),
        (ceiling("sockets = false"), ceiling("sockets = true"), "ceiling.sockets", above("sockets", "true", "false")),
        (ceiling("env = ['A', 'B']"), ceiling("env = ['*']"), "ceiling.env", above("env", "*", "A,B")),
        (ceiling("env = []"), ceiling("env = ['A']"), "ceiling.env", above("env", "A", "none")),
        (ceiling("max_memory = '1m'"), ceiling("max_memory = '2m'"), "ceiling.max_memory", above("max_memory", "2m", "1m")),
        (ceiling("max_timeout = 1"), ceiling("max_timeout = '2s'"), "ceiling.max_timeout", above("max_timeout", "2s", "1s")),
        (ceiling("plugins = ['a']"), ceiling("plugins = ['b']"), "ceiling.plugins", above("plugins", "b", "a")),
        (ceiling("sniff = false"), ceiling("sniff = true"), "ceiling.sniff", above("sniff", "true", "false")),
        (ceiling("sniff = false"), "[wasm]\nsniff = true\n".into(), "sniff", above("sniff", "true", "false")),
        (ceiling("interpret = false"), ceiling("interpret = true"), "ceiling.interpret", above("interpret", "true", "false")),
        (ceiling("compile = 'off'"), ceiling("compile = 'background'"), "ceiling.compile", above("compile", "background", "off")),
        ("wasm.compile = 'off'".into(), "\nwasm.compile = 'background'".into(), "compile", above("compile", "background", "off")),
        (String::new(), "[wasm]\nplugin_dir = '/p'\n".into(), "plugin_dir", "only the administrator can set it".into()),
        (String::new(), "[wasm.cache]\nmax_size = '2g'\n".into(), "cache.max_size", limit("2g", "1g")),
        (String::new(), "[wasm.compiler]\nmax_memory = '3g'\n".into(), "compiler.max_memory", limit("3g", "2g")),
        (String::new(), "[wasm.compiler]\nmax_time = '1h'\n".into(), "compiler.max_time", limit("3600s", "600s")),
    ] {
        assert_eq!(users(&system, &text), Err(format!("/h/skiff.toml: line 2: wasm.{key}: {why}")), "{text}");
    }
}
