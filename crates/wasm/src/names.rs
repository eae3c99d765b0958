//! Names of functions for a report: the name section's, else an export's, else an import's. Read after a trap only.

use std::collections::BTreeMap;
use std::ops::Range;
use wasmparser::{ExternalKind, KnownCustom, Name, Parser, Payload, TypeRef};

/// What a report asks of a module.
#[derive(Debug, Default)]
pub(crate) struct Names {
    functions: BTreeMap<u32, String>,
    /// The bodies' ranges in the file, in the order of their functions.
    bodies: Vec<Range<u64>>,
    exports: BTreeMap<String, u32>,
    imported: u32,
    /// Where the code section's contents begin in the file: addresses in DWARF count from there.
    pub(crate) code: u64,
}

impl Names {
    /// As much as can be read; a module that the engine has taken can be read whole.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let mut names = Self::default();
        let mut imports = Vec::new();
        for payload in Parser::new(0).parse_all(bytes).map_while(Result::ok) {
            names.section(payload, &mut imports);
        }
        for (name, index) in &names.exports {
            names.functions.entry(*index).or_insert_with(|| name.clone());
        }
        for (index, name) in (0..).zip(imports) {
            names.functions.entry(index).or_insert(name);
        }
        names
    }

    fn section(&mut self, payload: Payload<'_>, imported: &mut Vec<String>) {
        match payload {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports().flatten() {
                    if matches!(import.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)) {
                        imported.push(format!("{}.{}", import.module, import.name));
                        self.imported += 1;
                    }
                }
            }
            Payload::ExportSection(reader) => {
                let functions = reader.into_iter().flatten().filter(|export| export.kind == ExternalKind::Func);
                self.exports.extend(functions.map(|export| (export.name.to_owned(), export.index)));
            }
            Payload::CodeSectionStart { unchecked_range, .. } => self.code = unchecked_range.start,
            Payload::CodeSectionEntry(body) => self.bodies.push(body.range()),
            Payload::CustomSection(section) => {
                if let KnownCustom::Name(names) = section.as_known() {
                    self.name_section(names);
                }
            }
            _ => {}
        }
    }

    fn name_section(&mut self, names: wasmparser::NameSectionReader<'_>) {
        for part in names.into_iter().flatten() {
            if let Name::Function(functions) = part {
                self.functions.extend(functions.into_iter().flatten().map(|naming| (naming.index, naming.name.to_owned())));
            }
        }
    }

    /// What a function is called, as its source has it where that was Rust.
    pub(crate) fn of(&self, index: u32) -> String {
        let name = self.functions.get(&index).map(|name| format!("{:#}", rustc_demangle::demangle(name)));
        name.unwrap_or_else(|| format!("function {index}"))
    }

    /// An exported function.
    pub(crate) fn exported(&self, name: &str) -> Option<u32> {
        self.exports.get(name).copied()
    }

    /// The last function of the module.
    pub(crate) fn last(&self) -> Option<u32> {
        (self.imported + u32::try_from(self.bodies.len()).ok()?).checked_sub(1)
    }

    /// The function whose body has this offset in the file.
    pub(crate) fn at(&self, offset: u64) -> Option<u32> {
        let body = self.bodies.iter().position(|body| body.contains(&offset))?;
        Some(self.imported + u32::try_from(body).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_name_section_then_from_exports_and_imports() {
        let bytes = wat::parse_str(
            r#"(module (import "env" "put" (func)) (func $inner nop) (func (export "outer") call $inner) (func nop))"#,
        )
        .unwrap();
        let names = Names::read(&bytes);
        assert_eq!([0, 1, 2, 3].map(|index| names.of(index)), ["env.put", "inner", "outer", "function 3"]);
        let nop = names.bodies[0].end - 2;
        assert_eq!((names.at(nop), names.at(0)), (Some(1), None));
        assert_eq!((names.exported("outer"), names.last()), (Some(2), Some(3)));
    }
}
