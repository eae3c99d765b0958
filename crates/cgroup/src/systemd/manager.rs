//! What is said to a manager of systemd (org.freedesktop.systemd1(5)), and how its jobs are waited for: by the one signal
//! that tells of the job, without asking again and without hearing of any other unit.

use super::UnitError;
use super::address::addresses;
use super::connection::Connection;
use super::value::{self, Value, text};
use rustbus::message_builder::{HeaderFlags, MarshalledMessage, MessageBuilder, MessageType};
use rustbus::params::{Base, Container, Param};
use rustbus::wire::ObjectPath;
use skiff_plan::{SystemdUnit, UnitProperty, Variant};
use std::time::Duration;

const NAME: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const BUS: &str = "org.freedesktop.DBus";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// How long systemd may take for one thing: as long as with runc.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A manager that listens.
pub(super) struct Manager {
    connection: Connection,
    /// There is no bus in between: nobody to introduce ourselves to, and every signal comes unasked.
    direct: bool,
    /// The jobs that have ended so far.
    ended: Vec<Ended>,
}

/// A job that the manager no longer has, JobRemoved.
struct Ended {
    job: String,
    result: String,
    sender: Option<String>,
}

/// A job that the manager has taken on.
pub(super) struct Job {
    path: String,
    /// Who runs it; on a bus anybody can send signals.
    sender: Option<String>,
}

impl Manager {
    /// Connects to the system's manager or to that of our user.
    ///
    /// # Errors
    /// [`UnitError::NoManager`], [`UnitError::Timeout`].
    pub(super) fn connect(user: bool) -> Result<Manager, UnitError> {
        let mut tried = Vec::new();
        for address in addresses(user) {
            let socket = address.socket().map_err(UnitError::Connection);
            match socket.and_then(|socket| Connection::open(&socket, PATIENCE)) {
                Ok(connection) => return Manager::new(connection, address.direct),
                Err(UnitError::Connection(why)) => tried.push((address.text, why)),
                Err(error) => return Err(error),
            }
        }
        Err(UnitError::NoManager { user, tried })
    }

    pub(super) fn new(connection: Connection, direct: bool) -> Result<Manager, UnitError> {
        let mut manager = Manager { connection, direct, ended: Vec::new() };
        if !direct {
            manager.call(to(BUS, BUS, "/org/freedesktop/DBus", "Hello"), &[])?;
        }
        Ok(manager)
    }

    /// Asks for a scope with the process in it, or for a slice, in one call; what keeps the name from an earlier one that
    /// failed is cleared away.
    ///
    /// # Errors
    /// [`UnitError::Exists`], and what systemd does not accept; then it has done nothing.
    pub(super) fn start(&mut self, unit: &SystemdUnit, pid: u32) -> Result<Job, UnitError> {
        self.watch(&unit.name)?;
        let mut properties = place(unit, pid);
        properties.extend(self.known(&unit.properties)?);
        let arguments = [text(&unit.name), text("replace"), value::properties(&properties)?, value::no_units()?];
        match self.job("StartTransientUnit", &arguments) {
            Err(error) if error.is("UnitExists") => {}
            other => return other,
        }
        self.forget_failure(&unit.name)?;
        match self.job("StartTransientUnit", &arguments) {
            Err(error) if error.is("UnitExists") => Err(UnitError::Exists),
            other => other,
        }
    }

    /// Asks for the end of a unit; `None` when there is no such unit.
    ///
    /// # Errors
    /// What systemd does not accept.
    pub(super) fn stop(&mut self, unit: &str) -> Result<Option<Job>, UnitError> {
        self.watch(unit)?;
        // One that has failed has nothing to stop, and would keep its name for ever.
        let reset = self.ask("ResetFailedUnit", &[text(unit)])?;
        let stop = self.ask("StopUnit", &[text(unit), text("replace")])?;
        refused_is_fine(self.answer(reset))?;
        match self.answer(stop) {
            Ok(answer) => Ok(Some(job_of(&answer)?)),
            Err(error) if error.is("NoSuchUnit") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What follows may take so long from now on, instead of [`PATIENCE`] from connecting to the end.
    pub(super) fn give(&mut self, patience: Duration) {
        self.connection.give(patience);
    }

    /// Asks for the end of a unit and does not wait for an answer, from a systemd that gives none in time.
    ///
    /// # Errors
    /// Only those of the connection.
    pub(super) fn abandon(&mut self, unit: &str) -> Result<(), UnitError> {
        self.give(Duration::from_secs(1));
        let mut message = to(NAME, MANAGER, PATH, "StopUnit");
        HeaderFlags::NoReplyExpected.set(&mut message.flags);
        self.call(message, &[text(unit), text("replace")])?;
        self.connection.flush()
    }

    /// Has systemd forget that the unit has failed, if it has.
    ///
    /// # Errors
    /// Only those of the connection.
    pub(super) fn forget_failure(&mut self, unit: &str) -> Result<(), UnitError> {
        let reset = self.ask("ResetFailedUnit", &[text(unit)])?;
        refused_is_fine(self.answer(reset))
    }

    /// Sets properties until the unit ends, all or none.
    ///
    /// # Errors
    /// What systemd does not accept.
    pub(super) fn set_properties(&mut self, unit: &str, properties: &[UnitProperty]) -> Result<(), UnitError> {
        let properties = value::properties(&self.known(properties)?)?;
        let runtime = Param::Base(Base::Boolean(true));
        let call = self.ask("SetUnitProperties", &[text(unit), runtime, properties])?;
        self.answer(call).map(drop)
    }

    /// Waits until the job has ended.
    ///
    /// # Errors
    /// [`UnitError::Job`] if its result is not `done`.
    pub(super) fn wait(&mut self, job: &Job) -> Result<(), UnitError> {
        loop {
            match self.ended.iter().find(|ended| ended.job == job.path && ended.sender == job.sender) {
                Some(ended) if ended.result == "done" => return Ok(()),
                Some(ended) => return Err(UnitError::Job(ended.result.clone())),
                None => {}
            }
            let message = self.connection.receive()?;
            self.note(&message);
        }
    }

    /// Lets the bus pass on what is said of the jobs of this unit, and nothing else.
    fn watch(&mut self, unit: &str) -> Result<(), UnitError> {
        if unit.is_empty() || !unit.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte)) {
            return Err(UnitError::Name);
        }
        if self.direct {
            return Ok(());
        }
        let rule = format!("type='signal',sender='{NAME}',path='{PATH}',interface='{MANAGER}',member='JobRemoved',arg2='{unit}'");
        self.call(to(BUS, BUS, "/org/freedesktop/DBus", "AddMatch"), &[text(&rule)]).map(drop)
    }

    /// The properties that this systemd knows. Its version is asked for only where one of them is not in all.
    fn known(&mut self, properties: &[UnitProperty]) -> Result<Vec<UnitProperty>, UnitError> {
        let version = if properties.iter().any(|property| property.since > 0) { self.version()? } else { 0 };
        Ok(properties.iter().filter(|property| property.since <= version).cloned().collect())
    }

    fn version(&mut self) -> Result<u32, UnitError> {
        let call = self.call(to(NAME, PROPERTIES, PATH, "Get"), &[text(MANAGER), text("Version")])?;
        let answer = self.answer(call)?;
        let text = match answer.body.parser().get_param() {
            Ok(Param::Container(Container::Variant(any))) => any.value.into_string().ok(),
            _ => None,
        };
        text.as_deref().and_then(number_in).ok_or_else(|| UnitError::Connection("systemd does not say its version".into()))
    }

    /// Calls a method that starts a job, and returns that.
    fn job(&mut self, method: &str, arguments: &[Value]) -> Result<Job, UnitError> {
        let call = self.ask(method, arguments)?;
        job_of(&self.answer(call)?)
    }

    /// Queues a call of one of the manager's methods; its serial number.
    fn ask(&mut self, method: &str, arguments: &[Value]) -> Result<u32, UnitError> {
        self.call(to(NAME, MANAGER, PATH, method), arguments)
    }

    fn call(&mut self, mut message: MarshalledMessage, arguments: &[Value]) -> Result<u32, UnitError> {
        // Nobody is to start a systemd that is not there.
        HeaderFlags::NoAutoStart.set(&mut message.flags);
        if self.direct {
            message.dynheader.destination = None;
        }
        message.body.push_old_params(arguments).map_err(|error| UnitError::Connection(error.to_string()))?;
        self.connection.queue(&message)
    }

    /// Waits for the answer to a call. What was called before it must have gone well, or been waited for.
    fn answer(&mut self, call: u32) -> Result<MarshalledMessage, UnitError> {
        self.connection.flush()?;
        loop {
            let message = self.connection.receive()?;
            match (&message.typ, message.dynheader.response_serial) {
                (MessageType::Signal, _) => self.note(&message),
                (MessageType::Reply, Some(serial)) if serial == call => return Ok(message),
                (MessageType::Error, Some(serial)) if serial <= call => return Err(refusal(&message)),
                _ => {}
            }
        }
    }

    /// Remembers the end of a job.
    fn note(&mut self, message: &MarshalledMessage) {
        let header = &message.dynheader;
        if header.interface.as_deref() != Some(MANAGER) || header.member.as_deref() != Some("JobRemoved") {
            return;
        }
        if let Ok((_, job, _, result)) = message.body.parser().get4::<u32, ObjectPath<&str>, &str, &str>() {
            let (job, result) = (job.as_ref().to_owned(), result.to_owned());
            self.ended.push(Ended { job, result, sender: header.sender.clone() });
        }
    }
}

/// A call without arguments.
fn to(name: &str, interface: &str, path: &str, method: &str) -> MarshalledMessage {
    MessageBuilder::new().call(method).on(path).with_interface(interface).at(name).build()
}

/// The properties that put a unit into its place, with the process in it.
fn place(unit: &SystemdUnit, pid: u32) -> Vec<UnitProperty> {
    let property = |name: &str, value: Variant| UnitProperty { name: name.to_owned(), value, since: 0 };
    let slice = Variant::Text(unit.slice.clone());
    if !is_slice(&unit.name) {
        return vec![property("Slice", slice), property("PIDs", Variant::Array("u".into(), vec![Variant::U32(pid)]))];
    }
    // A slice lies where its name says; the one above it must only be there.
    let above = (!unit.slice.is_empty()).then(|| property("Wants", Variant::Array("s".into(), vec![slice])));
    above.into_iter().collect()
}

/// The unit is a slice, which has no processes of its own by systemd's doing.
pub(crate) fn is_slice(unit: &str) -> bool {
    unit.ends_with(".slice")
}

fn job_of(answer: &MarshalledMessage) -> Result<Job, UnitError> {
    let path = answer.body.parser().get::<ObjectPath<&str>>().map(|path| path.as_ref().to_owned());
    let path = path.map_err(|error| UnitError::Connection(format!("no job in an answer: {error}")))?;
    Ok(Job { path, sender: answer.dynheader.sender.clone() })
}

fn refusal(message: &MarshalledMessage) -> UnitError {
    let name = message.dynheader.error_name.clone().unwrap_or_default();
    UnitError::Refused { name, text: message.body.parser().get::<&str>().unwrap_or("without a word").to_owned() }
}

fn refused_is_fine(answer: Result<MarshalledMessage, UnitError>) -> Result<(), UnitError> {
    match answer {
        Ok(_) | Err(UnitError::Refused { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The first number in a text: systemd's version says `252.39-1~deb12u1`, `v255.4` or `262 (262-1)`.
fn number_in(text: &str) -> Option<u32> {
    let digits = text.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    digits.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn versions() {
        for (text, version) in [("262 (262-1)", 262), ("252.39-1~deb12u1", 252), ("v255.4-1.el10", 255), ("systemd 249", 249)] {
            assert_eq!(number_in(text), Some(version), "{text}");
        }
        assert_eq!(number_in("unknown"), None);
    }
}
