//! A socket at which a client of the runtime waits for one descriptor, as conmon and containerd's shim have it.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use nix::errno::Errno;

use super::{Test, wait_until};

pub struct FdSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl FdSocket {
    /// Listens in the test's directory. It never blocks.
    pub fn new(t: &Test, name: &str) -> FdSocket {
        let path = t.dir().join(name);
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        FdSocket { listener, path }
    }

    pub fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// Whoever has connected by now.
    pub fn connection(&self) -> Option<UnixStream> {
        self.listener.accept().ok().map(|(stream, _)| stream)
    }

    /// What the only message of the only connection brings: one descriptor and a name.
    #[track_caller]
    pub fn receive(&self) -> OwnedFd {
        let mut stream = None;
        wait_until("a connection to the socket for a descriptor", || {
            stream = self.connection();
            stream.is_some()
        });
        let stream = stream.unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut buffer = [0; 8192];
        let mut receive = || skiff_sys::receive_with_fd(stream.as_fd(), &mut buffer);
        let mut message = Err(Errno::EAGAIN);
        wait_until("a message on the socket for a descriptor", || {
            message = receive();
            message.as_ref().err() != Some(&Errno::EAGAIN)
        });
        let (length, fd) = message.expect("exactly one descriptor");
        assert!(length > 0 && length < 4096, "payload of {length} bytes");
        let second = receive();
        assert!(matches!(second, Ok((0, None)) | Err(Errno::EAGAIN)), "a second message: {second:?}");
        fd.expect("a descriptor")
    }
}
