//! Raises the walls around itself and tries them: prints each attempt and what came of it. For the tests.
//!   walls READABLE WRITABLE OUTSIDE sockets|none     two preopens, and a file in neither
// What a hostile guest would do from within the engine it does by bare system calls.
#![allow(unsafe_code, clippy::unwrap_used, clippy::print_stdout)]

use nix::errno::Errno;
use skiff_wasm::Walls;
use std::ffi::CString;

/// What has no use in a module's process, whatever its arguments.
const NEVER: [(&str, libc::c_long); 32] = [
    ("execve", libc::SYS_execve),
    ("execveat", libc::SYS_execveat),
    ("clone", libc::SYS_clone),
    ("clone3", libc::SYS_clone3),
    ("ptrace", libc::SYS_ptrace),
    ("process_vm_readv", libc::SYS_process_vm_readv),
    ("process_vm_writev", libc::SYS_process_vm_writev),
    ("pidfd_open", libc::SYS_pidfd_open),
    ("pidfd_getfd", libc::SYS_pidfd_getfd),
    ("kill", libc::SYS_kill),
    ("tkill", libc::SYS_tkill),
    ("rt_sigqueueinfo", libc::SYS_rt_sigqueueinfo),
    ("mount", libc::SYS_mount),
    ("umount2", libc::SYS_umount2),
    ("fsopen", libc::SYS_fsopen),
    ("open_tree", libc::SYS_open_tree),
    ("move_mount", libc::SYS_move_mount),
    ("pivot_root", libc::SYS_pivot_root),
    ("chroot", libc::SYS_chroot),
    ("unshare", libc::SYS_unshare),
    ("setns", libc::SYS_setns),
    ("setuid", libc::SYS_setuid),
    ("capset", libc::SYS_capset),
    ("bpf", libc::SYS_bpf),
    ("io_uring_setup", libc::SYS_io_uring_setup),
    ("userfaultfd", libc::SYS_userfaultfd),
    ("perf_event_open", libc::SYS_perf_event_open),
    ("keyctl", libc::SYS_keyctl),
    ("memfd_create", libc::SYS_memfd_create),
    ("mknodat", libc::SYS_mknodat),
    ("fchownat", libc::SYS_fchownat),
    ("open_by_handle_at", libc::SYS_open_by_handle_at),
];

fn attempt(name: &str, number: libc::c_long, args: &[usize]) {
    let arg = |index: usize| args.get(index).copied().unwrap_or_default();
    // SAFETY: the pointers among the arguments are to NUL-terminated strings and buffers that live on, or null.
    let result = unsafe { libc::syscall(number, arg(0), arg(1), arg(2), arg(3), arg(4), arg(5)) };
    match Errno::result(result) {
        Ok(_) => println!("{name}: done"),
        Err(errno) => println!("{name}: {errno:?}"),
    }
}

fn memory() {
    let anonymous = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as usize;
    let (writable, executable) = ((libc::PROT_READ | libc::PROT_WRITE) as usize, (libc::PROT_READ | libc::PROT_EXEC) as usize);
    attempt("mmap of data", libc::SYS_mmap, &[0, 4096, writable, anonymous, usize::MAX, 0]);
    attempt("mmap of code", libc::SYS_mmap, &[0, 4096, executable, anonymous, usize::MAX, 0]);
    let page = vec![0u8; 8192];
    let aligned = (page.as_ptr() as usize + 4095) & !4095;
    attempt("mprotect to code", libc::SYS_mprotect, &[aligned, 4096, executable]);
}

/// To this process and to the one that started it.
fn signals(parent: usize) {
    let own = std::process::id() as usize;
    attempt("signal to itself", libc::SYS_tgkill, &[own, own, 0]);
    attempt("signal to another", libc::SYS_tgkill, &[parent, parent, 0]);
    attempt("limits of itself", libc::SYS_prlimit64, &[0, libc::RLIMIT_STACK as usize]);
    attempt("limits of another", libc::SYS_prlimit64, &[parent, libc::RLIMIT_STACK as usize]);
}

fn devices() {
    attempt("keys into a terminal", libc::SYS_ioctl, &[0, libc::TIOCSTI as usize, 0]);
    attempt("socket", libc::SYS_socket, &[libc::AF_INET as usize, libc::SOCK_STREAM as usize]);
    let pair = [0i32; 2];
    attempt(
        "socket pair",
        libc::SYS_socketpair,
        &[libc::AF_UNIX as usize, libc::SOCK_STREAM as usize, 0, pair.as_ptr() as usize],
    );
}

fn files(readable: &str, writable: &str, outside: &str) {
    let path = |path: &str| CString::new(path).unwrap();
    let below = |directory: &str, name: &str| path(&format!("{directory}/{name}"));
    let here = libc::AT_FDCWD as usize;
    let at = |text: &CString| text.as_ptr() as usize;
    let create = (libc::O_CREAT | libc::O_WRONLY) as usize;
    let (note, new) = (below(readable, "note"), below(readable, "new"));
    attempt("read outside", libc::SYS_openat, &[here, at(&path(outside)), 0]);
    attempt("read below a readable one", libc::SYS_openat, &[here, at(&note), 0]);
    attempt("write below a readable one", libc::SYS_openat, &[here, at(&note), libc::O_RDWR as usize]);
    attempt("create below a readable one", libc::SYS_openat, &[here, at(&new), create, 0o600]);
    attempt("mkdir below a readable one", libc::SYS_mkdirat, &[here, at(&new), 0o700]);
    attempt("remove below a readable one", libc::SYS_unlinkat, &[here, at(&note), 0]);
    attempt("move out of a readable one", libc::SYS_renameat2, &[here, at(&note), here, at(&below(writable, "moved")), 0]);
    attempt("link out of a readable one", libc::SYS_linkat, &[here, at(&note), here, at(&below(writable, "linked")), 0]);
    attempt("create below a writable one", libc::SYS_openat, &[here, at(&below(writable, "new")), create, 0o600]);
    attempt("mkdir below a writable one", libc::SYS_mkdirat, &[here, at(&below(writable, "directory")), 0o700]);
    attempt("link to outside", libc::SYS_symlinkat, &[at(&path(outside)), here, at(&below(writable, "symlink"))]);
    attempt("read through that link", libc::SYS_openat, &[here, at(&below(writable, "symlink")), 0]);
    attempt("remove below a writable one", libc::SYS_unlinkat, &[here, at(&below(writable, "new")), 0]);
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [readable, writable, outside, sockets] = &args[..] else { panic!("usage: walls READABLE WRITABLE OUTSIDE sockets|none") };
    let preopen = |path: &String, read_only| skiff_plan::Preopen { guest: path.clone(), path: path.into(), read_only };
    let parent = nix::unistd::getppid().as_raw() as usize;
    let walls = Walls::new(&[preopen(readable, true), preopen(writable, false)], sockets == "sockets").unwrap();
    walls.raise().unwrap();
    for (name, number) in NEVER {
        attempt(name, number, &[]);
    }
    memory();
    signals(parent);
    devices();
    files(readable, writable, outside);
}
