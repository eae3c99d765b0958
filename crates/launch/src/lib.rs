//! The two sides of a container start, parent and init, and what they say to each other (docs/protocol.md).

mod console;
mod create;
mod delete;
mod error;
mod exec;
mod foreground;
mod handler;
mod hooks;
mod host;
mod id_maps;
mod init;
mod kill;
mod namespaces;
mod native;
mod notify;
mod passwd;
mod pid_file;
mod process;
mod protect;
mod relay;
mod start;
mod status;
mod steps;
mod sync;
mod talk;

pub use create::{Created, Request, create, run_detached};
pub use delete::delete;
pub use error::Error;
pub use exec::{ExecRequest, exec};
pub use foreground::run_foreground;
pub use host::host_facts;
pub use kill::kill;
pub use notify::offer_notify;
pub use protect::protect_executable;
pub use start::start;
pub use status::{pids, status};
