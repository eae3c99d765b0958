//! The limits of a run, and what of them can be checked before it: the engine itself cuts or ignores silently. Pure but for the
//! probe.

use crate::refusal::Refusal;
use crate::shape::Memory;

/// A page of linear memory.
const PAGE: u64 = 65_536;
/// What a 32-bit memory can have (core specification, 4.2.8).
const MOST_PAGES: u64 = 65_536;
/// The engine reserves this for each memory, so that every 32-bit address plus offset faults in it (its
/// lib/system/allocator.cpp).
const RESERVATION: u64 = 12 << 30;
/// Its own heap, stack and libraries.
const ELSEWHERE: u64 = 1 << 30;
/// The streams, and what the engine waits with: without the first of these two a wait ends at once, without the second it never
/// does.
const DESCRIPTORS: u64 = 3 + 2;

/// What a module may use. Times and sizes are enforced in the engine's process, whatever the module does.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Bytes of linear memory, all memories together; beyond them `memory.grow` returns -1. `None`: 4 GiB for each memory.
    pub max_memory: Option<u64>,
    /// The memory limit of the container, bytes, where the module is to stay so far below it that the engine has room as well.
    pub container: Option<u64>,
    /// Instructions; the run ends as a trap when they are used up. Only the interpreter counts: compiled code is not used.
    pub fuel: Option<u64>,
    /// RLIMIT_AS of the process, if it is to be set only later; the one in force is heeded anyway.
    pub address_space: Option<u64>,
    /// RLIMIT_NOFILE of the process, likewise.
    pub descriptors: Option<u64>,
    /// The function to run, `_start` if absent.
    pub entry: Option<String>,
    /// Plugins whose modules are offered, loaded before by [`crate::plugin::load`].
    pub plugins: Vec<String>,
}

impl Limits {
    /// With what the engine takes for the module itself off the container's limit: of a real program that is more than the
    /// program's own memory. It is an estimate, so that what the memories begin with is left to the kernel.
    pub(crate) fn beside(&self, form: u64, memories: &[Memory]) -> Self {
        let left = self.container.map_or(u64::MAX, |container| skiff_plan::memory_for_guest(container, form));
        let max_memory = self.max_memory.map(|most| most.min(left.max(initial(memories).saturating_mul(PAGE))));
        Self { max_memory, ..self.clone() }
    }

    /// The pages that each memory may have, so that all together stay within `max_memory`: the engine has one limit for all.
    pub(crate) fn pages(&self, memories: &[Memory]) -> Result<u64, Refusal> {
        let Some(limit) = self.max_memory else { return Ok(MOST_PAGES) };
        let total = limit / PAGE;
        let initial = initial(memories);
        if initial > total {
            return Err(Refusal::Memory { initial: initial.saturating_mul(PAGE), limit });
        }
        let largest = memories.iter().map(|memory| memory.initial).max().unwrap_or(0);
        if together(memories, largest) > total {
            return Err(Refusal::UnevenMemories { limit });
        }
        // The most for which the sum holds; the sum grows with it.
        let (mut low, mut high) = (largest, total.min(MOST_PAGES).max(largest));
        while low < high {
            let middle = high - (high - low) / 2;
            if together(memories, middle) <= total { low = middle } else { high = middle - 1 }
        }
        Ok(low)
    }

    /// The engine's reservation fits into the address space: where it does not, it would go on with memories of no page.
    pub(crate) fn check_address_space(&self, memories: usize) -> Result<(), Refusal> {
        let needed = RESERVATION.saturating_mul(memories as u64).saturating_add(ELSEWHERE);
        let limit = self.address_space.unwrap_or(u64::MAX).min(in_force(libc::RLIMIT_AS));
        if memories > 0 && limit < needed { Err(Refusal::AddressSpace { limit, needed }) } else { Ok(()) }
    }

    /// There are as many descriptors as the engine takes; what the module opens comes on top.
    pub(crate) fn check_descriptors(&self, preopens: usize) -> Result<(), Refusal> {
        let needed = DESCRIPTORS.saturating_add(preopens as u64);
        let limit = self.descriptors.unwrap_or(u64::MAX).min(in_force(libc::RLIMIT_NOFILE));
        if limit < needed { Err(Refusal::Descriptors { limit, needed }) } else { Ok(()) }
    }
}

/// What memories begin with, in pages.
fn initial(memories: &[Memory]) -> u64 {
    memories.iter().map(|memory| memory.initial).fold(0, u64::saturating_add)
}

/// What memories can grow to when each may have `pages`.
fn together(memories: &[Memory], pages: u64) -> u64 {
    memories.iter().map(|memory| memory.maximum.unwrap_or(u64::MAX).min(pages).max(memory.initial)).fold(0, u64::saturating_add)
}

/// The soft limit in force.
fn in_force(resource: libc::__rlimit_resource_t) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the kernel writes one rlimit into ours; on failure it stays as it is, without limit.
    unsafe { libc::getrlimit(resource, &mut limit) };
    limit.rlim_cur
}

/// Whether the kernel would reserve this much now (`vm.overcommit_memory` and the like have a say too).
pub(crate) fn can_reserve(memories: usize) -> bool {
    let Some(length) = (RESERVATION as usize).checked_mul(memories) else { return false };
    if length == 0 {
        return true;
    }
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a fresh mapping at an address of the kernel's choice; it overlaps nothing and is never touched.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), length, libc::PROT_NONE, flags, -1, 0) };
    if at == libc::MAP_FAILED {
        return false;
    }
    // SAFETY: exactly the mapping made above, which nothing refers to.
    unsafe { libc::munmap(at, length) };
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(initial: u64, maximum: Option<u64>) -> Memory {
        Memory { initial, maximum }
    }

    fn pages(limit: u64, memories: &[Memory]) -> Result<u64, Refusal> {
        Limits { max_memory: Some(limit * PAGE), ..Limits::default() }.pages(memories)
    }

    #[test]
    fn one_memory_gets_all_of_it() {
        assert_eq!(pages(100, &[memory(1, None)]), Ok(100));
        assert_eq!(pages(100, &[memory(100, None)]), Ok(100));
        assert_eq!(pages(1 << 40, &[memory(1, None)]), Ok(MOST_PAGES));
        assert_eq!(pages(100, &[memory(101, None)]), Err(Refusal::Memory { initial: 101 * PAGE, limit: 100 * PAGE }));
        assert_eq!(Limits::default().pages(&[memory(1, None)]), Ok(MOST_PAGES));
    }

    #[test]
    fn several_share_it() {
        assert_eq!(pages(100, &[memory(1, None), memory(1, None)]), Ok(50));
        assert_eq!(pages(100, &[memory(1, None), memory(1, Some(10))]), Ok(90));
        assert_eq!(pages(100, &[memory(60, None), memory(1, None)]), Err(Refusal::UnevenMemories { limit: 100 * PAGE }));
        assert_eq!(pages(100, &[memory(60, Some(60)), memory(1, Some(40))]), Ok(100));
        assert_eq!(pages(10, &[memory(6, None), memory(6, None)]), Err(Refusal::Memory { initial: 12 * PAGE, limit: 10 * PAGE }));
    }

    #[test]
    fn the_engine_has_room_in_the_container() {
        let beside = |limit: u64, form: u64, pages: u64| {
            let limits = Limits { max_memory: Some(limit * 7 / 8), container: Some(limit), ..Limits::default() };
            limits.beside(form, &[memory(pages, None)]).max_memory.unwrap()
        };
        assert_eq!(beside(64 << 20, 0, 1), 56 << 20);
        assert_eq!(beside(64 << 20, 30 << 20, 1), 26 << 20);
        assert_eq!(beside(64 << 20, 60 << 20, 32), 2 << 20, "no estimate refuses a module");
        assert_eq!(beside(64 << 20, 60 << 20, 1024), 56 << 20);
        let asked = Limits { max_memory: Some(1 << 20), ..Limits::default() };
        assert_eq!(asked.beside(60 << 20, &[memory(1, None)]).max_memory, Some(1 << 20));
    }

    #[test]
    fn descriptors_for_each_preopen() {
        let limits = Limits { descriptors: Some(6), ..Limits::default() };
        assert_eq!(limits.check_descriptors(1), Ok(()));
        assert_eq!(limits.check_descriptors(2), Err(Refusal::Descriptors { limit: 6, needed: 7 }));
    }

    #[test]
    fn the_reservation_counts_every_memory() {
        let limits = Limits { address_space: Some(14 << 30), ..Limits::default() };
        assert_eq!(limits.check_address_space(0), Ok(()));
        assert_eq!(limits.check_address_space(1), Ok(()));
        assert_eq!(limits.check_address_space(2), Err(Refusal::AddressSpace { limit: 14 << 30, needed: 25 << 30 }));
    }
}
