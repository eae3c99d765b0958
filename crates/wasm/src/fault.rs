//! Faults of compiled code. An access beyond a memory is a trap, which the engine finds by its own SIGSEGV handler; but its
//! handler runs on the stack that just ran out when code recurses without end, and the kernel then kills: 139 and not a word.
//!
//! So the engine's call of `sigaction` comes here first (a program's definition goes before the C library's, in a shared
//! library's eyes too): ours is installed instead, on a stack of its own; it knows a stack overflow by the address, and hands
//! everything else on.

use std::mem::MaybeUninit;
use std::os::raw::{c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Exit code of a trap: 128 + SIGABRT, as a native program that aborts.
pub(crate) const TRAPPED: c_int = 134;

/// Where a stack may grow to that has no limit: the heap's share, or the memory cgroup's OOM killer would report the recursion.
const LARGEST_STACK: u64 = 64 << 20;
/// Frames of compiled code are small; a fault within this distance of the stack pointer is the stack's.
const NEAR: usize = 1 << 20;
/// What handlers run on: they call nothing deep.
const OWN_STACK: usize = 64 << 10;

static ARMED: AtomicBool = AtomicBool::new(false);
/// The engine's handler for SIGSEGV, SIGBUS and SIGFPE, which is one function.
static ENGINES: AtomicUsize = AtomicUsize::new(0);

type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

unsafe extern "C" {
    /// The C library's own name for it (glibc exports both).
    fn __sigaction(signal: c_int, action: *const libc::sigaction, old: *mut libc::sigaction) -> c_int;
}

/// Stands in for the C library's while a module runs, for the three signals that are faults.
///
/// # Safety
/// As sigaction(2): `action` and `old` are null or point to what they say.
// SAFETY: the symbol has the C library's signature and does what that does; only the handler and the flags of faults differ.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sigaction(signal: c_int, action: *const libc::sigaction, old: *mut libc::sigaction) -> c_int {
    let is_fault = matches!(signal, libc::SIGSEGV | libc::SIGBUS | libc::SIGFPE);
    if !is_fault || action.is_null() || !ARMED.load(Ordering::Relaxed) {
        // SAFETY: as the caller promises.
        return unsafe { __sigaction(signal, action, old) };
    }
    // SAFETY: not null, and as the caller promises.
    let mut changed = unsafe { *action };
    if changed.sa_sigaction > libc::SIG_IGN {
        ENGINES.store(changed.sa_sigaction, Ordering::Relaxed);
        changed.sa_sigaction = on_fault as *const () as usize;
        changed.sa_flags |= libc::SA_SIGINFO | libc::SA_ONSTACK;
    }
    // SAFETY: a copy of the caller's action with a handler of ours; `old` as the caller promises.
    unsafe { __sigaction(signal, &changed, old) }
}

/// From here on faults and aborts of the engine are reported, and the stack has an end.
pub(crate) fn arm() {
    limit_stack();
    own_stack();
    on_abort();
    ARMED.store(true, Ordering::Relaxed);
}

extern "C" fn on_fault(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes both, for a handler with SA_SIGINFO.
    if signal == libc::SIGSEGV && unsafe { is_stack(info, context) } {
        say_and_exit(
            "wasm trap: call stack exhausted: endless or too deep recursion\n  \
             compiled code keeps no trace of it: to see more, run interpreted (annotation org.skiff.wasm.interpret=true)\n",
            TRAPPED,
        );
    }
    let engines = ENGINES.load(Ordering::Relaxed);
    // SAFETY: the engine gave this very number as its handler, of this type (it set SA_SIGINFO).
    let handler = unsafe { std::mem::transmute::<usize, Handler>(engines) };
    handler(signal, info, context);
}

/// The fault lies by the stack pointer.
///
/// # Safety
/// Both pointers are what the kernel passed to a handler of SIGSEGV.
unsafe fn is_stack(info: *const libc::siginfo_t, context: *const c_void) -> bool {
    // SAFETY: a fault's siginfo has an address.
    let address = unsafe { (*info).si_addr() } as usize;
    // SAFETY: the context of a signal handler is an ucontext_t.
    let registers = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext };
    #[cfg(target_arch = "x86_64")]
    let pointer = registers.gregs[libc::REG_RSP as usize] as usize;
    #[cfg(target_arch = "aarch64")]
    let pointer = registers.sp as usize;
    address.abs_diff(pointer) < NEAR
}

/// A limit that is finite and small is the container's own, and stays.
fn limit_stack() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one rlimit into ours.
    if unsafe { libc::getrlimit(libc::RLIMIT_STACK, &mut limit) } == 0 && limit.rlim_cur > LARGEST_STACK {
        limit.rlim_cur = LARGEST_STACK;
        // SAFETY: the kernel reads one rlimit of ours; lowering is always allowed, and holds for the growth of this very stack.
        unsafe { libc::setrlimit(libc::RLIMIT_STACK, &limit) };
    }
}

fn own_stack() {
    static mut STACK: MaybeUninit<[u8; OWN_STACK]> = MaybeUninit::uninit();
    let stack = libc::stack_t { ss_sp: (&raw mut STACK).cast(), ss_flags: 0, ss_size: OWN_STACK };
    // SAFETY: memory that lives for ever and that nothing else uses; the old stack is not asked for.
    unsafe { libc::sigaltstack(&stack, std::ptr::null_mut()) };
}

/// The module's file is mapped for the report of a trap, and may have been cut short since: then the report ends here.
pub(crate) fn without_module() {
    handle(libc::SIGBUS, lost);
}

extern "C" fn lost(_: c_int) {
    say_and_exit("wasm trap: the module's file has been cut short meanwhile, so that nothing can be said of it\n", TRAPPED);
}

/// The engine's C++ ends by abort(3) where an exception meets a `noexcept`; as the first process its SIGABRT would be ignored.
fn on_abort() {
    handle(libc::SIGABRT, aborted);
}

/// Installs a handler, which is async-signal-safe, past the `sigaction` above. Until there is a stack of its own it runs on the
/// process's.
pub(crate) fn handle(signal: c_int, handler: extern "C" fn(c_int)) {
    // SAFETY: all fields are integers or nullable pointers, for which zero is valid.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = libc::SA_ONSTACK;
    // SAFETY: a handler as the caller promises; the old action is not asked for.
    unsafe { __sigaction(signal, &action, std::ptr::null_mut()) };
}

extern "C" fn aborted(_: c_int) {
    say_and_exit("wasm: the engine aborted\n", TRAPPED);
}

/// The end of a run that cannot return: writes to stderr and exits. Async-signal-safe.
pub(crate) fn say_and_exit(message: &str, code: c_int) -> ! {
    // SAFETY: pointer and length are one slice's; async-signal-safe. That it may fail changes nothing.
    unsafe { libc::write(2, message.as_ptr().cast(), message.len()) };
    // SAFETY: async-signal-safe, and does not return.
    unsafe { libc::_exit(code) }
}
