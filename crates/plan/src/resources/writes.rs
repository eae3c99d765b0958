//! The list of cgroup writes while it grows, with the one rule that holds for each: a limit whose controller the host
//! does not have is refused, and the absence of a limit is no reason to refuse anything.

use crate::{CgroupFacts, CgroupWrite, Error};
use std::borrow::Cow;

/// A value for one file.
pub(super) struct Value {
    write: CgroupWrite,
    /// What `linux.resources` says.
    asked: String,
    /// The value limits nothing (`max`): where the file is missing, nothing is lost.
    unlimited: bool,
}

impl Value {
    /// `asked`: the field of config.json, and what it says.
    pub(super) fn new(
        controller: impl Into<Cow<'static, str>>,
        file: impl Into<String>,
        value: impl Into<String>,
        (field, asked): (&'static str, String),
    ) -> Value {
        let (file, value) = (file.into(), value.into());
        let write = CgroupWrite { controller: controller.into(), file, value, field, fallback: None, optional: false };
        Value { write, asked, unlimited: false }
    }

    /// A number that goes into the file as it is.
    pub(super) fn number(controller: &'static str, file: &str, value: u64, field: &'static str) -> Value {
        Value::new(controller, file, value.to_string(), (field, value.to_string()))
    }

    pub(super) fn unlimited(self, unlimited: bool) -> Value {
        let write = CgroupWrite { optional: self.write.optional || unlimited, ..self.write };
        Value { unlimited, write, ..self }
    }

    /// A kernel may lack the file.
    pub(super) fn optional(self) -> Value {
        Value { write: CgroupWrite { optional: true, ..self.write }, ..self }
    }

    /// What to write where the file is missing.
    pub(super) fn or(self, file: impl Into<String>, value: impl Into<String>) -> Value {
        Value { write: CgroupWrite { fallback: Some((file.into(), value.into())), ..self.write }, ..self }
    }
}

/// Writes in the order in which they were added.
pub(super) struct Writes<'a> {
    /// `None`: no cgroup is made, so that any limit is refused.
    facts: Option<&'a CgroupFacts>,
    list: Vec<CgroupWrite>,
}

impl<'a> Writes<'a> {
    pub(super) fn new(facts: Option<&'a CgroupFacts>) -> Self {
        Writes { facts, list: Vec::new() }
    }

    /// The files of version 1 are meant.
    pub(super) fn v1(&self) -> bool {
        self.facts.is_some_and(super::is_v1)
    }

    /// The files of version 2 are there.
    pub(super) fn v2(&self) -> bool {
        matches!(self.facts, Some(CgroupFacts::V2 { .. }))
    }

    /// Adds a write.
    pub(super) fn push(&mut self, value: Value) -> Result<(), Error> {
        let Value { write, asked, unlimited } = value;
        if self.available(&write.controller) {
            self.list.push(write);
            return Ok(());
        }
        if unlimited { Ok(()) } else { Err(self.missing(write.field, &asked, &write.controller)) }
    }

    /// Takes back what was to be written into a file.
    pub(super) fn take_back(&mut self, file: &str) {
        self.list.retain(|write| write.file != file);
    }

    pub(super) fn done(self) -> Vec<CgroupWrite> {
        self.list
    }

    fn available(&self, controller: &str) -> bool {
        match self.facts {
            None | Some(CgroupFacts::None) => false,
            Some(CgroupFacts::V2 { controllers, .. }) => {
                controller == "cgroup" || controllers.iter().any(|name| name == controller)
            }
            Some(CgroupFacts::V1(hierarchies)) => {
                hierarchies.iter().any(|hierarchy| hierarchy.controllers.split(',').any(|name| name == controller))
            }
        }
    }

    fn missing(&self, field: &str, asked: &str, controller: &str) -> Error {
        let why = match self.facts {
            None => "cgroups are disabled".to_owned(),
            Some(_) => format!("the {controller} controller is not available"),
        };
        Error::invalid(field, format!("{asked}: {why}"))
    }
}
