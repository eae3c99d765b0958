//! The state directory: one record a container, its lock, its fifo. Every command of the parent side uses it; it
//! makes no process and reads no config.json.

mod dir;
mod error;
mod hook;
mod id;
mod process;
mod record;
mod store;
mod time;
mod tree;

pub use dir::{StateDir, Status};
pub use error::{Error, NOT_EXIST, NOT_RUNNING};
pub use hook::{HookRecord, HookRecords};
pub use id::check_id;
pub use process::start_time;
pub use record::{CgroupRecord, Init, RECORD_VERSION, Record, UnitRecord};
pub use store::Store;
pub use time::{now_rfc3339, now_rfc3339_nano, rfc3339, rfc3339_nano};
