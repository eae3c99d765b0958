//! From annotations and settings to the plan: defaults, choices, and each ceiling that is in the way.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use super::*;
use crate::{ExecBase, fixtures};

const WASM: (&str, &str) = ("run.oci.handler", "wasm");

fn spec(annotations: &[(&str, &str)], body: &str) -> Spec {
    let annotations: HashMap<_, _> = annotations.iter().copied().collect();
    let mut document: serde_json::Value = serde_json::from_str(body).unwrap();
    document["annotations"] = serde_json::to_value(annotations).unwrap();
    serde_json::from_value(document).unwrap()
}

fn decide(annotations: &[(&str, &str)], settings: Settings) -> Result<(HandlerKind, Option<WasmPlan>), String> {
    let options = Options { settings, ..fixtures::options() };
    resolve(&spec(annotations, "{}"), &options).map_err(|error| error.to_string())
}

/// The plan of a container that asks for wasm, and for `asked` (`NAME=VALUE`) below the prefix.
fn wasm(asked: &[&str], settings: Settings) -> Result<WasmPlan, String> {
    let keys: Vec<_> = asked.iter().map(|asked| asked.split_once('=').unwrap()).collect();
    let keys: Vec<_> = keys.iter().map(|(name, value)| (format!("org.skiff.wasm.{name}"), *value)).collect();
    let all: Vec<_> = keys.iter().map(|(key, value)| (key.as_str(), *value)).chain([WASM]).collect();
    decide(&all, settings).map(|(_, plan)| plan.unwrap())
}

/// What crun gives.
fn crun() -> WasmPlan {
    WasmPlan {
        strict: true,
        sniffed: false,
        preopens: vec![Preopen { guest: "/".into(), path: "/".into(), read_only: false }],
        sockets: true,
        env: None,
        max_memory: None,
        container_memory: None,
        timeout: None,
        fuel: None,
        plugins: vec![],
        plugin_dir: None,
        compile: Compile::Background,
        interpret: false,
    }
}

fn deny() -> WasmPlan {
    WasmPlan { preopens: vec![], sockets: false, env: Some(vec![]), ..crun() }
}

fn below(ceiling: Ceiling) -> Settings {
    Settings { ceiling, ..Settings::default() }
}

#[test]
fn kinds() {
    let sniff = ("org.skiff.wasm.sniff", "true");
    let smart = WasmPlan { strict: false, ..crun() };
    let sniffed = WasmPlan { sniffed: true, ..smart.clone() };
    let sandbox = ("io.kubernetes.cri.container-type", "sandbox");
    for (annotations, expected) in [
        (&[][..], (HandlerKind::Native, None)),
        (&[WASM], (HandlerKind::Wasm, Some(crun()))),
        (&[("module.wasm.image/variant", "compat")], (HandlerKind::Wasm, Some(crun()))),
        (&[("module.wasm.image/variant", "compat-smart")], (HandlerKind::Maybe, Some(smart.clone()))),
        (&[sniff], (HandlerKind::Maybe, Some(sniffed.clone()))),
        (&[sniff, WASM], (HandlerKind::Wasm, Some(crun()))),
        (&[sandbox, WASM, sniff], (HandlerKind::Native, None)),
        // What would be an error elsewhere: the pod's own containers will say so.
        (&[sandbox, ("run.oci.handler", "krun"), ("org.skiff.wasm.nope", "")], (HandlerKind::Native, None)),
        // A native sidecar of a pod with annotations.
        (&[("org.skiff.wasm.memory", "1m")], (HandlerKind::Native, None)),
    ] {
        assert_eq!(decide(annotations, Settings::default()), Ok(expected), "{annotations:?}");
    }
    let settings = || Settings { sniff: true, ..Settings::default() };
    assert_eq!(decide(&[], settings()), Ok((HandlerKind::Maybe, Some(sniffed))));
    assert_eq!(decide(&[("org.skiff.wasm.sniff", "false")], settings()), Ok((HandlerKind::Native, None)));
    assert_eq!(decide(&[sandbox], settings()), Ok((HandlerKind::Native, None)));
    let options = Options { called_wasm: true, ..fixtures::options() };
    assert_eq!(resolve(&spec(&[WASM], "{}"), &options).unwrap(), (HandlerKind::Maybe, Some(smart)));
    assert_eq!(resolve(&spec(&[sandbox], "{}"), &options).unwrap(), (HandlerKind::Native, None));
}

/// A native container's annotations are checked too: the slip would show only where it hurts.
#[test]
fn native_containers_with_bad_annotations() {
    let expected = "config.json: annotation org.skiff.wasm.sniff: `on` is neither true nor false";
    assert_eq!(decide(&[("org.skiff.wasm.sniff", "on")], Settings::default()), Err(expected.to_owned()));
    let expected =
        "config.json: annotation org.skiff.wasm.sniff: true is more than wasm.ceiling.sniff of skiff.toml allows: false";
    let settings = below(Ceiling { sniff: false, ..Ceiling::default() });
    assert_eq!(decide(&[("org.skiff.wasm.sniff", "true")], settings), Err(expected.to_owned()));
}

#[test]
fn profiles_and_choices() {
    let preopens = |texts: &[&str]| texts.iter().map(|text| Preopen::read(text).unwrap()).collect::<Vec<_>>();
    let with_plugins = || Settings { plugin_dir: Some("/p".into()), ..Settings::default() };
    for (asked, expected) in [
        (&[][..], crun()),
        (&["profile=crun"], crun()),
        (&["profile=deny"], deny()),
        (&["profile=deny", "sockets=true"], WasmPlan { sockets: true, ..deny() }),
        (&["profile=deny", "env=*"], WasmPlan { env: None, ..deny() }),
        (&["profile=deny", "preopens=/data"], WasmPlan { preopens: preopens(&["/data"]), ..deny() }),
        (&["preopens="], WasmPlan { preopens: vec![], ..crun() }),
        (&["preopens=/a:ro,.:/b"], WasmPlan { preopens: preopens(&["/a:ro", ".:/b"]), ..crun() }),
        (&["sockets=false"], WasmPlan { sockets: false, ..crun() }),
        (&["env="], WasmPlan { env: Some(vec![]), ..crun() }),
        (&["env=PATH,LANG"], WasmPlan { env: Some(vec!["PATH".into(), "LANG".into()]), ..crun() }),
        (&["memory=64m"], WasmPlan { max_memory: Some(64 << 20), ..crun() }),
        (&["timeout=90s"], WasmPlan { timeout: Some(Duration::from_secs(90)), ..crun() }),
        (&["plugins=wasi_nn"], WasmPlan { plugins: vec!["wasi_nn".into()], plugin_dir: Some("/p".into()), ..crun() }),
        (&["plugins="], crun()),
        (&["compile=off"], WasmPlan { compile: Compile::Off, ..crun() }),
        (&["compile=before-start"], WasmPlan { compile: Compile::BeforeStart, ..crun() }),
        (&["interpret=true"], WasmPlan { interpret: true, compile: Compile::Off, ..crun() }),
        (&["interpret=false"], crun()),
        (&["fuel=7"], WasmPlan { fuel: Some(7), interpret: true, compile: Compile::Off, ..crun() }),
        (&["fuel=7", "interpret=true"], WasmPlan { fuel: Some(7), interpret: true, compile: Compile::Off, ..crun() }),
    ] {
        assert_eq!(wasm(asked, with_plugins()), Ok(expected), "{asked:?}");
    }
}

/// What nobody asked for is cut to the ceiling.
#[test]
fn defaults_below_a_ceiling() {
    let ceiling = |preopens: &[&str]| Ceiling {
        preopens: preopens.iter().map(|text| Allowed::read(text).unwrap()).collect(),
        sockets: false,
        env: Names::Only(vec!["PATH".into()]),
        max_memory: Some(1 << 20),
        max_timeout: Some(Duration::from_secs(5)),
        compile: Compile::Background,
        ..Ceiling::default()
    };
    let cut = WasmPlan {
        sockets: false,
        env: Some(vec!["PATH".into()]),
        max_memory: Some(1 << 20),
        timeout: Some(Duration::from_secs(5)),
        ..crun()
    };
    for (preopens, expected) in
        [(&["/"][..], vec![Preopen::root(false)]), (&["/:ro", "/tmp"], vec![Preopen::root(true)]), (&["/tmp"], vec![])]
    {
        assert_eq!(wasm(&[], below(ceiling(preopens))), Ok(WasmPlan { preopens: expected, ..cut.clone() }), "{preopens:?}");
    }
    let settings = Settings { profile: Profile::Deny, ..below(ceiling(&["/"])) };
    assert_eq!(wasm(&[], settings), Ok(WasmPlan { max_memory: Some(1 << 20), timeout: Some(Duration::from_secs(5)), ..deny() }));
}

/// A ceiling with every key below its default.
fn low() -> Settings {
    Settings {
        compile: Compile::Off,
        plugin_dir: Some("/p".into()),
        ..below(Ceiling {
            preopens: vec![Allowed::read("/data").unwrap(), Allowed::read("/srv:ro").unwrap()],
            sockets: false,
            env: Names::Only(vec!["A".into(), "B".into()]),
            max_memory: Some(1 << 20),
            max_timeout: Some(Duration::from_secs(5)),
            plugins: Names::Only(vec!["wasi_nn".into()]),
            sniff: false,
            interpret: false,
            compile: Compile::Off,
        })
    }
}

#[test]
fn up_to_the_ceiling() {
    for asked in [
        "preopens=/data,/srv/x:ro",
        "preopens=.:/data/x:ro",
        "sockets=false",
        "env=B",
        "memory=1m",
        "timeout=5s",
        "plugins=wasi_nn",
        "sniff=false",
        "interpret=false",
        "compile=off",
        "profile=deny",
    ] {
        assert!(wasm(&[asked], low()).is_ok(), "{asked}");
    }
    assert!(wasm(&["profile=crun", "preopens=", "sockets=false", "env=A"], low()).is_ok());
}

#[test]
fn above_the_ceiling() {
    let preopens = "/data:rw,/srv:ro";
    for (asked, name, what, key, allowed) in [
        (&["preopens=/"][..], "preopens", "/:rw", "preopens", preopens),
        (&["preopens=/data,/etc:ro"], "preopens", "/etc:ro", "preopens", preopens),
        (&["preopens=/in:/srv/x"], "preopens", "/srv/x:rw", "preopens", preopens),
        (&["preopens=/database"], "preopens", "/database:rw", "preopens", preopens),
        (&["sockets=true"], "sockets", "true", "sockets", "false"),
        (&["env=A,C"], "env", "C", "env", "A,B"),
        (&["env=*"], "env", "*", "env", "A,B"),
        (&["memory=1025k"], "memory", "1025k", "max_memory", "1m"),
        (&["timeout=5001ms"], "timeout", "5.001s", "max_timeout", "5s"),
        (&["plugins=wasi_nn,wasi_crypto"], "plugins", "wasi_crypto", "plugins", "wasi_nn"),
        (&["sniff=true"], "sniff", "true", "sniff", "false"),
        (&["interpret=true"], "interpret", "true", "interpret", "false"),
        (&["fuel=1"], "fuel", "only the interpreter counts: true", "interpret", "false"),
        (&["compile=background"], "compile", "background", "compile", "off"),
        (&["profile=crun"], "profile", "crun: /:rw", "preopens", preopens),
        (&["profile=crun", "preopens=/data"], "profile", "crun: true", "sockets", "false"),
        (&["profile=crun", "preopens=/data", "sockets=false"], "profile", "crun: *", "env", "A,B"),
    ] {
        let expected = format!(
            "config.json: annotation org.skiff.wasm.{name}: {what} is more than wasm.ceiling.{key} of skiff.toml allows: {allowed}"
        );
        assert_eq!(wasm(asked, low()), Err(expected), "{asked:?}");
    }
}

#[test]
fn what_does_not_go_together() {
    let refusal = |asked: &[&str]| wasm(asked, Settings::default()).unwrap_err();
    assert_eq!(
        refusal(&["fuel=1", "interpret=false"]),
        "config.json: annotation org.skiff.wasm.fuel: only the interpreter counts, and org.skiff.wasm.interpret is false"
    );
    assert_eq!(
        refusal(&["plugins=wasi_nn"]),
        "config.json: annotation org.skiff.wasm.plugins: `wasi_nn`: skiff.toml names no wasm.plugin_dir"
    );
}

#[test]
fn memory_comes_from_the_containers_limit() {
    let limited = r#"{"linux":{"resources":{"memory":{"limit":67108864}}}}"#;
    let memory = |asked: &[(&str, &str)], max_memory| {
        let settings = below(Ceiling { max_memory, ..Ceiling::default() });
        let options = Options { settings, ..fixtures::options() };
        let plan = resolve(&spec(&[asked, &[WASM]].concat(), limited), &options).unwrap().1.unwrap();
        (plan.max_memory.map(|bytes| bytes >> 20), plan.container_memory.map(|bytes| bytes >> 20))
    };
    assert_eq!(memory(&[], None), (Some(56), Some(64)));
    assert_eq!(memory(&[], Some(128 << 20)), (Some(56), Some(64)));
    assert_eq!(memory(&[], Some(16 << 20)), (Some(16), Some(64)));
    assert_eq!(memory(&[("org.skiff.wasm.memory", "64m")], Some(128 << 20)), (Some(64), None));
}

#[test]
fn spin_applications() {
    let command = r#"{"process":{"user":{},"cwd":"/","args":["/"]}}"#;
    let decide = |annotation| resolve(&spec(&[annotation], command), &fixtures::options()).map_err(|error| error.to_string());
    let refused = Err("config.json: process.args: `/` is the command of a Spin application, which needs Spin's own shim: \
        skiff runs modules with a WASI preview 1 interface"
        .to_owned());
    assert_eq!(decide(WASM), refused);
    assert_eq!(decide(("module.wasm.image/variant", "compat-smart")), refused);
    assert_eq!(decide(("org.skiff.wasm.sniff", "true")).unwrap().0, HandlerKind::Maybe);
    assert_eq!(decide(("other", "")).unwrap().0, HandlerKind::Native);
}

#[test]
fn exec_knows_the_plan_but_is_never_strict() {
    let spec = spec(&[], r#"{"process":{"user":{},"cwd":"/","args":["x"]}}"#);
    let native = ExecBase::of(&spec, None);
    assert_eq!((native.handler(), native.text().contains("wasm")), (HandlerKind::Native, false));
    let plan = WasmPlan { timeout: Some(Duration::from_millis(1500)), env: Some(vec!["A".into()]), ..crun() };
    let base = ExecBase::read(&ExecBase::of(&spec, Some(&plan)).text()).unwrap();
    assert_eq!(base.handler(), HandlerKind::Maybe);
    assert_eq!(base.wasm, Some(WasmPlan { strict: false, ..plan }));
    assert!(base.text().len() - native.text().len() < 400, "{}", base.text());
}
