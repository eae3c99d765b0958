//! Writes a classic BPF program from its end to its start, so that every jump knows how far it goes: a conditional
//! jump skips at most 255 instructions, and where that is not enough a longer one is put in its reach. Parent side.

use std::collections::BTreeMap;

use skiff_sys::seccomp::SockFilter;

// linux/bpf_common.h: load a word of seccomp_data, jump always, jump if equal, jump if greater or equal, return.
const LOAD: u16 = 0x20;
const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER_EQUAL: u16 = 0x35;
const RETURN: u16 = 0x06;

/// What a conditional jump reaches, less one for a second long jump that may have to come between.
const REACH: usize = 254;

/// An instruction that has been written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Label(usize);

/// Where a jump goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    /// To an instruction.
    At(Label),
    /// Out of the program with this value (`SECCOMP_RET_*`).
    Return(u32),
}

/// The program so far.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    /// The last instruction first.
    code: Vec<SockFilter>,
    /// The foremost return of each value.
    returns: BTreeMap<u32, Label>,
}

impl Assembler {
    /// Puts an instruction before all others; when it does not jump, they are what follows.
    pub(super) fn put(&mut self, instruction: SockFilter) -> Label {
        self.code.push(instruction);
        Label(self.code.len() - 1)
    }

    /// `return value`.
    pub(super) fn put_return(&mut self, value: u32) -> Label {
        let label = self.put(SockFilter { code: RETURN, jt: 0, jf: 0, k: value });
        self.returns.insert(value, label);
        label
    }

    /// Loads the word at `offset` of `struct seccomp_data`, then goes on at `next`.
    pub(super) fn load(&mut self, offset: u32, next: Target) -> Target {
        let next = self.within(next, usize::MAX);
        let skip = self.skipped(next);
        if skip > 0 {
            self.jump(skip);
        }
        Target::At(self.put(SockFilter { code: LOAD, jt: 0, jf: 0, k: offset }))
    }

    /// If what was loaded is `value`: `yes`, else `no`.
    pub(super) fn if_equal(&mut self, value: u32, yes: Target, no: Target) -> Target {
        self.branch(JUMP_EQUAL, value, yes, no)
    }

    /// If what was loaded is at least `value`: `yes`, else `no`.
    pub(super) fn if_at_least(&mut self, value: u32, yes: Target, no: Target) -> Target {
        self.branch(JUMP_GREATER_EQUAL, value, yes, no)
    }

    /// The program; it is entered at what was put last.
    pub(super) fn finish(mut self) -> Vec<SockFilter> {
        self.code.reverse();
        self.code
    }

    fn branch(&mut self, code: u16, k: u32, yes: Target, no: Target) -> Target {
        let yes = self.within(yes, REACH);
        let no = self.within(no, REACH);
        let [jt, jf] = [yes, no].map(|label| u8::try_from(self.skipped(label)).unwrap_or(u8::MAX));
        Target::At(self.put(SockFilter { code, jt, jf, k }))
    }

    /// An instruction at most `reach` away from the next one to be put that leads to `target`.
    fn within(&mut self, target: Target, reach: usize) -> Label {
        match target {
            Target::Return(value) => match self.returns.get(&value) {
                Some(&label) if self.skipped(label) <= reach => label,
                _ => self.put_return(value),
            },
            Target::At(label) if self.skipped(label) <= reach => label,
            Target::At(label) => self.jump(self.skipped(label)),
        }
    }

    fn jump(&mut self, skip: usize) -> Label {
        // Far below 2^32: the kernel takes 4096 instructions.
        self.put(SockFilter { code: JUMP, jt: 0, jf: 0, k: skip as u32 })
    }

    /// How many instructions stand between the next one to be put and `label`.
    fn skipped(&self, label: Label) -> usize {
        self.code.len() - 1 - label.0
    }
}
