//! Terminals on a devpts of the test's own, in a mount namespace of its own. They need root.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::socketpair;
use nix::sys::stat::major;
use nix::sys::termios::{OutputFlags, tcgetattr};
use nix::unistd::Uid;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

fn scratch(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("skiff-console-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn open(path: &Path) -> OwnedFd {
    nix::fcntl::open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).unwrap()
}

/// Runs `test` with a root that is a tmpfs with a devpts at `dev/pts`. Mount namespaces belong to threads.
fn in_root(name: &str, test: impl FnOnce(&Path, BorrowedFd<'_>) + Send + 'static) {
    if !Uid::effective().is_root() {
        return;
    }
    let path = scratch(name);
    let root = path.clone();
    let thread = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none).unwrap();
        mount(none, &root, Some("tmpfs"), MsFlags::empty(), none).unwrap();
        std::fs::create_dir_all(root.join("dev/pts")).unwrap();
        let options = "newinstance,ptmxmode=0666,mode=0620,gid=5";
        mount(none, &root.join("dev/pts"), Some("devpts"), MsFlags::empty(), Some(options)).unwrap();
        test(&root, open(&root).as_fd());
    });
    let done = thread.join();
    std::fs::remove_dir_all(path).unwrap();
    done.unwrap();
}

/// At once, whatever a process that another test has just forked still has open.
fn detach(path: &Path) {
    umount2(path, MntFlags::MNT_DETACH).unwrap();
}

fn refusal(root: BorrowedFd<'_>) -> String {
    let fault = Console::open(root, None).unwrap_err();
    format!("{} {}", fault.argument, fault.errno)
}

#[test]
fn a_terminal_comes_from_the_containers_own_devpts() {
    in_root("open", |root, fd| {
        let console = Console::open(fd, Some((33, 99))).unwrap();
        assert_eq!(skiff_sys::window_size(console.slave.as_fd()), Ok((33, 99)));
        let slave = fstat(&console.slave).unwrap();
        assert_eq!(slave.st_dev, std::fs::metadata(root.join("dev/pts/0")).unwrap().dev());
        assert_eq!((major(slave.st_rdev), slave.st_gid, slave.st_mode & 0o777), (136, 5, 0o620));
        // Clients that relay a terminal of their own decide on that.
        assert!(tcgetattr(&console.slave).unwrap().output_flags.contains(OutputFlags::ONLCR));
    });
}

#[test]
fn the_slave_lies_on_the_console() {
    in_root("bind", |root, fd| {
        let console = Console::open(fd, None).unwrap();
        console.bind(fd).unwrap();
        let bound = std::fs::metadata(root.join("dev/console")).unwrap();
        assert!(bound.file_type().is_char_device());
        assert_eq!(bound.rdev(), fstat(&console.slave).unwrap().st_rdev);
        // Once more, over what is there already.
        let second = Console::open(fd, None).unwrap();
        second.bind(fd).unwrap();
        let bound = std::fs::metadata(root.join("dev/console")).unwrap();
        assert_eq!(bound.rdev(), fstat(&second.slave).unwrap().st_rdev);
        let mut master = File::from(second.master);
        File::options().write(true).open(root.join("dev/console")).unwrap().write_all(b"to the console").unwrap();
        let mut buffer = [0; 32];
        let length = master.read(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"to the console");
    });
}

/// CVE-2026-88264: a console of the image that points out of it.
#[test]
fn a_console_that_is_a_link_is_refused_and_makes_nothing() {
    in_root("link", |root, fd| {
        let console = Console::open(fd, None).unwrap();
        symlink("/tmp/skiff-made-through-a-link", root.join("dev/console")).unwrap();
        assert_eq!(console.bind(fd).unwrap_err(), Fault::new(Errno::ELOOP, "/dev/console"));
        assert!(!Path::new("/tmp/skiff-made-through-a-link").exists());
        std::fs::remove_file(root.join("dev/console")).unwrap();
        std::fs::create_dir(root.join("dev/console")).unwrap();
        assert!(console.bind(fd).unwrap_err().argument.contains("neither a file nor a character device"));
    });
}

#[test]
fn what_only_looks_like_a_devpts_is_refused() {
    in_root("fake", |root, fd| {
        let none = None::<&str>;
        std::fs::create_dir(root.join("dev/fake")).unwrap();
        mount(Some(&root.join("dev/fake")), &root.join("dev/pts"), none, MsFlags::MS_BIND, none).unwrap();
        assert!(refusal(fd).contains("there is no devpts filesystem at /dev/pts"));
        detach(&root.join("dev/pts"));
        // A mount over the multiplexer itself.
        mount(Some("/dev/null"), &root.join("dev/pts/ptmx"), none, MsFlags::MS_BIND, none).unwrap();
        assert!(refusal(fd).starts_with("open /dev/pts/ptmx EXDEV"));
        detach(&root.join("dev/pts/ptmx"));
    });
}

#[test]
fn links_on_the_way_to_the_devpts_are_refused() {
    in_root("way", |root, _| {
        let hostile = root.join("hostile");
        std::fs::create_dir(&hostile).unwrap();
        assert_eq!(refusal(open(&hostile).as_fd()), "/dev/pts ENOENT: No such file or directory");
        symlink("/dev", hostile.join("dev")).unwrap();
        assert_eq!(refusal(open(&hostile).as_fd()), "/dev/pts ELOOP: Too many symbolic links encountered");
    });
}

/// In a process of its own, whose stdin is the console socket: its stdio and session change.
#[test]
fn a_process_lives_on_its_terminal() {
    const AGAIN: &str = "SKIFF_TEST_ON_A_TERMINAL";
    if !Uid::effective().is_root() {
        return;
    }
    if std::env::var_os(AGAIN).is_some() {
        nix::unistd::setsid().unwrap();
        let root = open(Path::new("/"));
        let console = Console::open(root.as_fd(), None).unwrap();
        console.send(std::io::stdin().as_fd()).unwrap();
        console.become_stdio().unwrap();
        File::options().write(true).open("/dev/tty").unwrap().write_all(b"by /dev/tty\n").unwrap();
        nix::unistd::write(std::io::stderr(), b"by stderr\n").unwrap();
        skiff_sys::exit_now(0);
    }
    let (here, there) = socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC).unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "console::tests::a_process_lives_on_its_terminal"])
        .env(AGAIN, "1")
        .stdin(there)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut master = File::from(receive_master(here.as_fd()).unwrap());
    assert!(child.wait().unwrap().success());
    let mut said = Vec::new();
    // The end of the last slave shows as EIO.
    assert_eq!(master.read_to_end(&mut said).unwrap_err().raw_os_error(), Some(libc::EIO));
    assert_eq!(String::from_utf8(said).unwrap(), "by /dev/tty\r\nby stderr\r\n");
}

#[test]
fn clients_get_one_descriptor_with_a_name() {
    let directory = scratch("socket");
    let path = directory.join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let socket = connect_socket("--pidfd-socket", &path).unwrap();
    let own = skiff_sys::pidfd_open(std::process::id()).unwrap();
    send_pidfd(socket.as_fd(), own.as_fd(), PIDFD_OF_INIT).unwrap();
    let (client, _) = listener.accept().unwrap();
    let pidfd = receive_master(client.as_fd()).unwrap();
    skiff_sys::pidfd_send_signal(pidfd.as_fd(), 0).unwrap();
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn an_unreachable_socket_is_named() {
    let refusal = |path: &str| connect_socket("--console-socket", Path::new(path)).unwrap_err().to_string();
    assert_eq!(refusal("/no/such"), "connect to --console-socket /no/such: no such file or directory");
    assert!(refusal(&format!("/{}", "x".repeat(200))).ends_with("file name too long"));
}
