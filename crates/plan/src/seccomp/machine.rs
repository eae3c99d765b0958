//! A small classic BPF machine, for the instructions that seccomp(2) allows and compilers of filters use. Tests only;
//! integration/seccomp includes it, too.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use skiff_sys::seccomp::SockFilter;

/// What a filter is asked, `struct seccomp_data` without the instruction pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    pub arch: u32,
    pub number: u32,
    pub args: [u64; 6],
}

impl Asked {
    fn word(&self, offset: u32) -> u32 {
        match offset {
            0 => self.number,
            4 => self.arch,
            16..64 if offset.is_multiple_of(4) => {
                let arg = self.args[(offset as usize - 16) / 8];
                if offset.is_multiple_of(8) { arg as u32 } else { (arg >> 32) as u32 }
            }
            _ => panic!("load at {offset}"),
        }
    }
}

/// The verdict of `program` (`SECCOMP_RET_*` with its data).
///
/// # Panics
/// When the program leaves its end, or has an instruction that the machine does not know.
pub fn run(program: &[SockFilter], asked: &Asked) -> u32 {
    walk(program, asked).0
}

/// Whether arguments decide what `program` says about the call.
pub fn looks_at_arguments(program: &[SockFilter], asked: &Asked) -> bool {
    walk(program, asked).1
}

fn walk(program: &[SockFilter], asked: &Asked) -> (u32, bool) {
    let mut accumulator = 0;
    let mut looked = false;
    let mut at = 0;
    loop {
        let SockFilter { code, jt, jf, k } = program[at];
        at += 1;
        let mut branch = |yes: bool| at += usize::from(if yes { jt } else { jf });
        match code {
            0x20 => {
                accumulator = asked.word(k);
                looked |= k >= 16;
            }
            0x54 => accumulator &= k,
            0x05 => at += k as usize,
            0x15 => branch(accumulator == k),
            0x25 => branch(accumulator > k),
            0x35 => branch(accumulator >= k),
            0x45 => branch(accumulator & k != 0),
            0x06 => return (k, looked),
            _ => panic!("instruction {code:#x}"),
        }
    }
}
