//! What the container runs: a shell, or a module in each way that a module can be had: interpreted, with compiled code from the
//! cache, and with a compiler beside its start or before it.

use crate::walk::Verb;
use serde_json::{Value, json};
use skiff_testbed::bundle::{default_spec, set_args};
use skiff_testbed::view::View;
use skiff_testbed::{Context, Error};
use std::fmt;
use std::path::Path;

/// What a shell shows: what only it can see.
const LOOK: &str = "hostname; umask; ls /proc/self/fd | wc -l; stat -c '%n %f %t %T %u %g' /dev/*; \
    (: </dev/forbidden) 2>/dev/null && echo opened; (: >/proc/sys/kernel/hostname) 2>/dev/null && echo wrote; \
    (: >/bin/new) 2>/dev/null && echo made; wc -c </proc/keys; echo ready;";

/// The exit code of a container that `run` runs.
pub const ENDS_WITH: i32 = 7;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// A shell.
    Native,
    /// A module without compiled code, and nobody to compile it.
    Interpreted,
    /// A module whose compiled code is in the cache.
    Cached,
    /// A module that is compiled beside its start.
    Background,
    /// A module that is compiled before its start.
    BeforeStart,
}

impl Workload {
    /// All, in the order of the walk.
    pub const ALL: [Workload; 5] =
        [Workload::Native, Workload::Interpreted, Workload::Cached, Workload::Background, Workload::BeforeStart];

    /// A module.
    pub fn is_module(self) -> bool {
        self != Workload::Native
    }

    /// `create` begins a compilation.
    pub fn compiles(self) -> bool {
        matches!(self, Workload::Background | Workload::BeforeStart)
    }

    /// Commands that differ from those of other workloads. With `full`, all that do; else those that differ most, so that each
    /// part is in the sample of one of the two views.
    pub fn verbs(self, view: View, full: bool) -> &'static [Verb] {
        match (self, view, full) {
            (Workload::Native, _, true) => &[Verb::Create, Verb::Start, Verb::Run, Verb::Exec, Verb::Delete],
            (Workload::Interpreted, _, true) => &[Verb::Create, Verb::Start, Verb::Run, Verb::Exec, Verb::Delete],
            (Workload::Cached, _, true) => &[Verb::Create, Verb::Run, Verb::Exec],
            (Workload::Background | Workload::BeforeStart, _, true) => &[Verb::Create],
            (Workload::Native, View::V1, false) => &[Verb::Create, Verb::Start, Verb::Run, Verb::Delete],
            (Workload::Native, View::V2, false) => &[Verb::Create, Verb::Start, Verb::Exec, Verb::Delete],
            (Workload::Cached, View::V1, false) => &[Verb::Exec],
            (Workload::Cached, View::V2, false) => &[Verb::Create, Verb::Run],
            (Workload::Interpreted, View::V1, false) => &[Verb::Run, Verb::Delete],
            (Workload::Interpreted, View::V2, false) => &[Verb::Start, Verb::Exec],
            (Workload::Background, View::V1, false) => &[Verb::Create],
            (Workload::BeforeStart, View::V2, false) => &[Verb::Create],
            (Workload::Background | Workload::BeforeStart, _, false) => &[],
        }
    }

    /// The sample has every so many steps: fewer of modules, whose processes make many more calls, most of them the dynamic
    /// loader's, and of what is in another command's sample already.
    pub fn stride(self, verb: Verb) -> usize {
        match (self, verb) {
            (Workload::Native, Verb::Run) => 31,
            (Workload::Native, _) => 5,
            (Workload::Interpreted | Workload::Cached, _) => 31,
            (Workload::Background | Workload::BeforeStart, _) => 61,
        }
    }

    /// Puts what it runs into the root filesystem.
    pub fn install(self, rootfs: &Path) -> Result<(), Error> {
        if !self.is_module() {
            return Ok(());
        }
        // What nobody has compiled before, and nobody else compiles meanwhile: a section of no meaning makes it this process's
        // own.
        let mut module = wat::parse_str(include_str!("look.wat")).context(|| "translate look.wat".into())?;
        let own = format!("{}", std::process::id());
        let length = u8::try_from(own.len()).context(|| "name the module".into())?;
        module.extend([0, length + 1, length]);
        module.extend(own.as_bytes());
        let path = rootfs.join("look.wasm");
        std::fs::write(&path, module).context(|| format!("write {}", path.display()))
    }

    /// What it runs, by the name that the module would have.
    pub fn args(self, stays: bool) -> Vec<String> {
        let words: &[&str] = match (self.is_module(), stays) {
            (true, true) => &["/look.wasm#stay"],
            (true, false) => &["/look.wasm"],
            (false, true) => return ["/bin/sh", "-c", &format!("{LOOK} exec sleep 1000")].map(str::to_owned).to_vec(),
            (false, false) => return ["/bin/sh", "-c", &format!("{LOOK} exit {ENDS_WITH}")].map(str::to_owned).to_vec(),
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// The default spec with limits, a device that no rule allows, and a payload that looks around, then stays or ends.
    pub fn spec(self, view: View, stays: bool) -> Value {
        let mut spec = default_spec();
        set_args(&mut spec, &self.args(stays).iter().map(String::as_str).collect::<Vec<_>>());
        spec["process"]["oomScoreAdj"] = 100.into();
        spec["process"]["user"]["umask"] = 0o27.into();
        // c 1 11 is /dev/kmsg, which no runtime allows by default.
        spec["linux"]["devices"] = json!([{"path": "/dev/forbidden", "type": "c", "major": 1, "minor": 11}]);
        if view == View::V1 {
            spec["linux"]["resources"]["memory"] = json!({"limit": if self.is_module() { 512 << 20 } else { 64 << 20 }});
            spec["linux"]["resources"]["pids"] = json!({"limit": 100});
            spec["linux"]["resources"]["cpu"] = json!({"shares": 512});
        }
        let compile = match self {
            Workload::Native => return spec,
            Workload::Interpreted | Workload::Cached => "off",
            Workload::Background => "background",
            Workload::BeforeStart => "before-start",
        };
        spec["annotations"] = json!({"run.oci.handler": "wasm", "org.skiff.wasm.compile": compile});
        spec
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Workload::Native => "native",
            Workload::Interpreted => "interpreted",
            Workload::Cached => "cached",
            Workload::Background => "background",
            Workload::BeforeStart => "before-start",
        })
    }
}

impl std::str::FromStr for Workload {
    type Err = Error;
    fn from_str(text: &str) -> Result<Workload, Error> {
        let known = Workload::ALL.into_iter().find(|workload| workload.to_string() == text);
        known.ok_or_else(|| format!("unknown workload {text:?}").into())
    }
}
