//! What a module's sections say before the engine sees it: types, imports, memories, exported functions. Pure; no code is read.

use crate::compile::{LONGEST_NUMBER, PREAMBLE, number};
use crate::kind::{Kind, classify};
use crate::refusal::Refusal;
use wasmparser::{CompositeInnerType, ExternalKind, FuncType, Parser, Payload, TypeRef};

/// One import.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) module: String,
    pub(crate) name: String,
    /// `None`: not a function.
    pub(crate) function: Option<FuncType>,
}

/// One linear memory, in pages of 64 KiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) initial: u64,
    pub(crate) maximum: Option<u64>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    pub(crate) imports: Vec<Import>,
    pub(crate) memories: Vec<Memory>,
    /// Length of all functions' code, bytes.
    pub(crate) code: u64,
    /// Exported functions and their types.
    pub(crate) exports: Vec<(String, FuncType)>,
}

impl Shape {
    /// Reads a module. A file that is no module, or ends too early, is refused by what it is.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        match classify(bytes) {
            Kind::Module => {}
            Kind::Component => return Err(Refusal::Component),
            Kind::Text => return Err(Refusal::Text),
            Kind::Truncated => return Err(Refusal::Truncated),
            Kind::UnknownVersion(version) => return Err(Refusal::UnknownVersion(version)),
            Kind::NotWasm => return Err(Refusal::NotWasm),
        }
        if !is_whole(bytes) {
            return Err(Refusal::Truncated);
        }
        let mut reader = Reader::default();
        reader.read(bytes).map_err(|error| Refusal::Invalid(error.to_string()))?;
        Ok(reader.shape)
    }
}

/// Every section ends within the file. Headers that are no headers count as whole: the parser has better words for them.
fn is_whole(module: &[u8]) -> bool {
    let mut at = PREAMBLE;
    while at < module.len() {
        let Some((size, body)) = number(module, at + 1) else { return module.len() > at + LONGEST_NUMBER };
        at = body.saturating_add(size);
    }
    at == module.len()
}

#[derive(Default)]
struct Reader {
    shape: Shape,
    types: Vec<Option<FuncType>>,
    functions: Vec<u32>,
}

impl Reader {
    fn read(&mut self, bytes: &[u8]) -> wasmparser::Result<()> {
        let (mut parser, mut at) = (Parser::new(0), 0);
        loop {
            let wasmparser::Chunk::Parsed { consumed, payload } = parser.parse(&bytes[at..], true)? else { return Ok(()) };
            at += consumed;
            match payload {
                Payload::End(_) => return Ok(()),
                Payload::CodeSectionStart { size, .. } => {
                    parser.skip_section();
                    self.shape.code = size.into();
                    at += size as usize;
                }
                section => self.section(section)?,
            }
        }
    }

    fn section(&mut self, section: Payload<'_>) -> wasmparser::Result<()> {
        match section {
            Payload::TypeSection(types) => {
                for group in types {
                    self.types.extend(group?.into_types().map(|kind| match kind.composite_type.inner {
                        CompositeInnerType::Func(function) => Some(function),
                        _ => None,
                    }));
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    self.import(import?);
                }
            }
            Payload::FunctionSection(functions) => {
                for index in functions {
                    self.functions.push(index?);
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    let memory = memory?;
                    self.shape.memories.push(Memory { initial: memory.initial, maximum: memory.maximum });
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    self.export(export?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, import: wasmparser::Import<'_>) {
        let function = match import.ty {
            TypeRef::Func(index) | TypeRef::FuncExact(index) => {
                self.functions.push(index);
                self.function_type(index)
            }
            _ => None,
        };
        self.shape.imports.push(Import { module: import.module.into(), name: import.name.into(), function });
    }

    fn export(&mut self, export: wasmparser::Export<'_>) {
        if export.kind != ExternalKind::Func {
            return;
        }
        let index = self.functions.get(export.index as usize).copied();
        if let Some(function) = index.and_then(|index| self.function_type(index)) {
            self.shape.exports.push((export.name.into(), function));
        }
    }

    fn function_type(&self, index: u32) -> Option<FuncType> {
        self.types.get(index as usize)?.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn imports_memories_and_exports_are_read_past_the_code() {
        let shape = Shape::read(&module(
            r#"(module (import "a" "f" (func (param i32))) (import "a" "t" (table 1 funcref)) (memory 3 9)
               (func (export "go") (result i32) i32.const 1) (export "m" (memory 0)) (export "again" (func 0)))"#,
        ))
        .unwrap();
        assert_eq!(shape.imports.iter().map(|import| import.function.is_some()).collect::<Vec<_>>(), [true, false]);
        assert_eq!((shape.memories[0].initial, shape.memories[0].maximum), (3, Some(9)));
        let names: Vec<_> = shape.exports.iter().map(|(name, kind)| (name.as_str(), kind.params().len())).collect();
        assert_eq!(names, [("go", 0), ("again", 1)]);
    }

    #[test]
    fn every_cut_of_a_module_is_refused() {
        let whole = module(r#"(module (memory 1) (data (i32.const 0) "some data") (func (export "_start") nop))"#);
        for length in 0..whole.len() {
            match Shape::read(&whole[..length]) {
                // A cut between sections leaves a shorter module, which may still be one.
                Ok(_) => assert!(is_whole(&whole[..length])),
                Err(refusal) => {
                    assert!(matches!(refusal, Refusal::Truncated | Refusal::NotWasm | Refusal::Invalid(_)), "{refusal}")
                }
            }
        }
        assert_eq!(Shape::read(&whole[..whole.len() - 1]).unwrap_err(), Refusal::Truncated);
    }

    #[test]
    fn rubbish_behind_the_header_is_invalid() {
        let mut bytes = b"\0asm\x01\0\0\0".to_vec();
        bytes.extend([0xff; 32]);
        assert!(matches!(Shape::read(&bytes), Err(Refusal::Invalid(_))));
    }
}
