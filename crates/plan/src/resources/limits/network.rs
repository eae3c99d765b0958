//! `linux.resources.network`, which only version 1 has.

use crate::Error;
use crate::resources::writes::{Value, Writes};
use oci_spec::runtime::LinuxNetwork;

const CLASS: &str = "linux.resources.network.classID";
const PRIORITIES: &str = "linux.resources.network.priorities";

/// Class 0 is none. Rules of the host may hang on class and priority, so that nothing is left out without a word.
pub(super) fn convert(network: &LinuxNetwork, writes: &mut Writes<'_>) -> Result<(), Error> {
    if let Some(class) = network.class_id().filter(|class| *class != 0) {
        refuse_v2(writes, CLASS, &class.to_string())?;
        writes.push(Value::number("net_cls", "net_cls.classid", class.into(), CLASS))?;
    }
    for entry in network.priorities().iter().flatten() {
        let (name, value) = (entry.name(), format!("{} {}", entry.name(), entry.priority()));
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '\0' || c == '/') {
            return Err(Error::invalid(PRIORITIES, format!("{name:?}: no name of a network interface")));
        }
        refuse_v2(writes, PRIORITIES, &value)?;
        writes.push(Value::new("net_prio", "net_prio.ifpriomap", value.clone(), (PRIORITIES, value)))?;
    }
    Ok(())
}

fn refuse_v2(writes: &Writes<'_>, field: &str, asked: &str) -> Result<(), Error> {
    match writes.v2() {
        true => Err(Error::invalid(field, format!("{asked}: cgroup version 2 has no network classes and priorities"))),
        false => Ok(()),
    }
}
