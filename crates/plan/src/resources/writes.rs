//! The list of cgroup writes while it grows, with the one rule that holds for each: a limit whose controller the host
//! does not have is refused, and the absence of a limit is no reason to refuse anything.

use crate::{CgroupFacts, CgroupWrite, Error};

/// A value for one file.
pub(super) struct Value {
    /// Controller that owns the file.
    pub controller: &'static str,
    /// The file.
    pub file: &'static str,
    /// What to write.
    pub value: String,
    /// Field of config.json below `linux.resources`, and what it says.
    pub asked: (&'static str, String),
    /// The value limits nothing (`max`): where the file is missing, nothing is lost.
    pub unlimited: bool,
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

    /// Adds a write.
    pub(super) fn push(&mut self, value: Value) -> Result<(), Error> {
        let (field, asked) = value.asked;
        if !self.available(value.controller) {
            return if value.unlimited { Ok(()) } else { Err(self.missing(field, &asked, value.controller)) };
        }
        self.list.push(CgroupWrite {
            controller: value.controller.into(),
            file: value.file.to_owned(),
            value: value.value,
            field,
            fallback: None,
            optional: value.unlimited,
        });
        Ok(())
    }

    pub(super) fn done(self) -> Vec<CgroupWrite> {
        self.list
    }

    fn available(&self, controller: &str) -> bool {
        match self.facts {
            None | Some(CgroupFacts::None) => false,
            Some(CgroupFacts::V2 { controllers, .. }) => controllers.iter().any(|name| name == controller),
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
