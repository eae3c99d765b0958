//! The limits of a unit of systemd while they are gathered. Parent side, pure.

use crate::{UnitProperty, Variant};

/// A property, with the fields that it is made of.
pub(super) struct Limit {
    pub property: UnitProperty,
    /// Fields of config.json; empty where it is made of nothing but its own.
    pub fields: &'static [&'static str],
    /// A unit that runs takes it no more.
    pub only_at_start: bool,
}

/// Properties in the order in which they were added. Of one name the last counts.
pub(super) struct Properties {
    v1: bool,
    list: Vec<Limit>,
}

impl Properties {
    pub(super) fn new(v1: bool) -> Properties {
        Properties { v1, list: Vec::new() }
    }

    /// Those of version 1 are meant.
    pub(super) fn v1(&self) -> bool {
        self.v1
    }

    pub(super) fn push(&mut self, name: &str, value: Variant, fields: &'static [&'static str]) {
        self.list.retain(|limit| limit.property.name != name);
        let property = UnitProperty { name: name.to_owned(), value, since: 0 };
        self.list.push(Limit { property, fields, only_at_start: false });
    }

    pub(super) fn number(&mut self, name: &str, value: u64, fields: &'static [&'static str]) {
        self.push(name, Variant::U64(value), fields);
    }

    /// The last one came with this version of systemd.
    pub(super) fn since(&mut self, version: u32) {
        if let Some(last) = self.list.last_mut() {
            last.property.since = version;
        }
    }

    /// The last one cannot be changed later.
    pub(super) fn only_at_start(&mut self) {
        if let Some(last) = self.list.last_mut() {
            last.only_at_start = true;
        }
    }

    pub(super) fn done(self) -> Vec<Limit> {
        self.list
    }
}
