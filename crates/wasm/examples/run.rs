//! Runs a module on the host, without a container, to try the engine and for its tests.
//! usage: run [OPTION=VALUE...] MODULE [ARGUMENT...]
//! options: compiled=FILE (the module with its code behind it), code=FILE (that alone), of=FILE (the module that the code is for, where
//! MODULE is another), entry=NAME, memory=BYTES, fuel=N, as=BYTES, dir=GUEST:PATH[:ro], sockets=on, timeout=MS, env=NAME=VALUE,
//! plugin=FILE, landlock=on (only says so)

use skiff_wasm::{Compiled, Limits, Loaded, Outcome, Preopen, World, plugin};
use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

/// A file that cannot be run, or a wrong option.
const REFUSED: u8 = 125;

#[derive(Default)]
struct Options {
    limits: Limits,
    compiled: Option<Vec<u8>>,
    code: Option<Vec<u8>>,
    of: Option<String>,
    env: Vec<CString>,
    preopens: Vec<Preopen>,
    sockets: bool,
    landlock: bool,
    timeout: Option<Duration>,
}

fn main() -> ExitCode {
    match run() {
        Ok(Outcome::Trap(report)) => {
            let _ = std::io::stderr().write_all(report.as_bytes());
            ExitCode::from(Outcome::Trap(report).code())
        }
        Ok(outcome) => ExitCode::from(outcome.code()),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::from(REFUSED)
        }
    }
}

fn run() -> Result<Outcome, Box<dyn std::error::Error>> {
    let mut options = Options::default();
    let mut args = std::env::args().skip(1).peekable();
    while let Some((name, value)) = args.peek().and_then(|arg| arg.split_once('=')).map(|(a, b)| (a.to_owned(), b.to_owned())) {
        options.set(&name, &value)?;
        args.next();
    }
    let path = args.peek().ok_or("no module")?.clone();
    let module = File::open(&path)?;
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let world = World {
        args: args.map(CString::new).collect::<Result<_, _>>()?,
        env: options.env,
        preopens: options.preopens,
        stdio: [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()],
        sockets: options.sockets,
        landlock: options.landlock,
        timeout: options.timeout,
    };
    let length = usize::try_from(module.metadata()?.len())?;
    let code = options.code.or_else(|| options.compiled?.get(length..).map(Into::into));
    let of = std::fs::read(options.of.unwrap_or_else(|| path.clone()))?;
    let known = code.map(|code| Compiled { module: of, code });
    let loaded = Loaded::new(&module, known, &options.limits, &world).map_err(|refusal| format!("{path}: {refusal}"))?;
    drop(module);
    Ok(loaded.run())
}

impl Options {
    fn set(&mut self, name: &str, value: &str) -> Result<(), Box<dyn std::error::Error>> {
        match name {
            "code" => self.code = Some(std::fs::read(value)?),
            "of" => self.of = Some(value.into()),
            "compiled" => self.compiled = Some(std::fs::read(value)?),
            "entry" => self.limits.entry = Some(value.into()),
            "memory" => self.limits.max_memory = Some(value.parse()?),
            "fuel" => self.limits.fuel = Some(value.parse()?),
            "as" => self.limits.address_space = Some(value.parse()?),
            "plugin" => self.limits.plugins.push(plugin::load(value.as_ref())?),
            "landlock" => self.landlock = value == "on",
            "sockets" => self.sockets = value == "on",
            "timeout" => self.timeout = Some(Duration::from_millis(value.parse()?)),
            "env" => self.env.push(CString::new(value)?),
            "dir" => {
                let (guest, path) = value.split_once(':').ok_or("dir=GUEST:PATH")?;
                let read_only = path.ends_with(":ro");
                let path = path.strip_suffix(":ro").unwrap_or(path).into();
                self.preopens.push(Preopen { guest: guest.into(), path, read_only });
            }
            _ => return Err(format!("unknown option {name}").into()),
        }
        Ok(())
    }
}
