//! The two sides of a container start, parent and init, and what they say to each other (docs/protocol.md).

mod create;
mod delete;
mod error;
mod foreground;
mod handler;
mod host;
mod init;
mod kill;
mod native;
mod passwd;
mod pid_file;
mod process;
mod protect;
mod start;
mod status;
mod steps;
mod sync;

pub use create::{Created, Request, create};
pub use delete::delete;
pub use error::Error;
pub use foreground::run_foreground;
pub use host::host_facts;
pub use kill::kill;
pub use protect::protect_executable;
pub use start::start;
pub use status::{pids, status};
