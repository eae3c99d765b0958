//! Where a manager of systemd listens: on a bus (D-Bus Specification, "Server Addresses"), or without one on a socket of its
//! own, which works before and after the bus does.

use nix::errno::Errno;
use nix::sys::socket::UnixAddr;
use nix::unistd::geteuid;
use std::path::Path;

const SYSTEM_BUS: &str = "unix:path=/run/dbus/system_bus_socket";
const SYSTEM_MANAGER: &str = "unix:path=/run/systemd/private";

/// One address to try.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// As D-Bus writes it.
    pub text: String,
    /// The manager itself listens there, and no bus.
    pub direct: bool,
}

/// The addresses of the system's or of the user's manager, in the order in which systemctl(1) and runc take them.
pub(super) fn addresses(user: bool) -> Vec<Address> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if user {
        let directory = variable("XDG_RUNTIME_DIR").unwrap_or_else(|| format!("/run/user/{}", outer_uid()));
        of_user(variable("DBUS_SESSION_BUS_ADDRESS"), &directory)
    } else {
        of_system(variable("DBUS_SYSTEM_BUS_ADDRESS"), geteuid().is_root())
    }
}

fn of_user(bus: Option<String>, directory: &str) -> Vec<Address> {
    let path = |name: &str| format!("unix:path={}", escape(&format!("{directory}/{name}")));
    let manager = Address { text: path("systemd/private"), direct: true };
    // Whoever names a bus means that one.
    bus.map_or_else(|| on_bus(&path("bus")).into_iter().chain([manager]).collect(), |bus| on_bus(&bus))
}

fn of_system(bus: Option<String>, root: bool) -> Vec<Address> {
    let manager = root.then(|| Address { text: SYSTEM_MANAGER.to_owned(), direct: true });
    bus.map_or_else(|| on_bus(SYSTEM_BUS).into_iter().chain(manager).collect(), |bus| on_bus(&bus))
}

fn on_bus(list: &str) -> Vec<Address> {
    list.split(';').filter(|text| !text.is_empty()).map(|text| Address { text: text.to_owned(), direct: false }).collect()
}

impl Address {
    /// The socket behind it.
    pub(super) fn socket(&self) -> Result<UnixAddr, String> {
        let pairs = self.text.strip_prefix("unix:").ok_or("not an address of a Unix socket")?;
        for (key, value) in pairs.split(',').filter_map(|pair| pair.split_once('=')) {
            let value = unescape(value).ok_or("a character is not escaped as D-Bus has it")?;
            let address = match key {
                "path" => UnixAddr::new(value.as_slice()),
                "abstract" => UnixAddr::new_abstract(&value),
                _ => continue,
            };
            return address.map_err(|errno: Errno| errno.desc().to_lowercase());
        }
        Err("neither a path nor an abstract name".to_owned())
    }
}

/// Bytes that D-Bus lets stand for themselves in a value.
fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/' | b'.' | b'\\' | b'*')
}

fn escape(value: &str) -> String {
    value.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02x}") }).collect()
}

/// `None` where a percent sign is not followed by two digits. What should have been escaped and is not is taken as it is.
fn unescape(value: &str) -> Option<Vec<u8>> {
    let mut bytes = value.bytes();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => other,
        });
    }
    Some(plain)
}

/// Our user outside of our user namespace: podman's rootless runtimes are root of one, and the directory is the user's.
fn outer_uid() -> u32 {
    let uid = geteuid().as_raw();
    let map = skiff_sys::read_whole(None, Path::new("/proc/self/uid_map")).unwrap_or_default();
    outside(&String::from_utf8_lossy(&map), uid).unwrap_or(uid)
}

fn outside(map: &str, uid: u32) -> Option<u32> {
    map.lines().find_map(|line| {
        let mut numbers = line.split_whitespace().filter_map(|number| number.parse::<u32>().ok());
        let (inside, outside, size) = (numbers.next()?, numbers.next()?, numbers.next()?);
        uid.checked_sub(inside).filter(|offset| *offset < size).map(|offset| outside + offset)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn address(text: &str) -> Address {
        Address { text: text.into(), direct: false }
    }

    #[test]
    fn the_bus_comes_before_the_manager_itself() {
        let texts = |addresses: Vec<Address>| addresses.into_iter().map(|a| (a.text, a.direct)).collect::<Vec<_>>();
        let direct = |text: &str| (text.to_owned(), true);
        let bus = |text: &str| (text.to_owned(), false);
        assert_eq!(texts(of_system(None, false)), [bus(SYSTEM_BUS)]);
        assert_eq!(texts(of_system(Some("unix:path=/a;unix:path=/b".into()), true)), [bus("unix:path=/a"), bus("unix:path=/b")]);
        assert_eq!(texts(of_system(None, true)), [bus(SYSTEM_BUS), direct(SYSTEM_MANAGER)]);
        assert_eq!(
            texts(of_user(None, "/run/user/1000")),
            [bus("unix:path=/run/user/1000/bus"), direct("unix:path=/run/user/1000/systemd/private")]
        );
        assert_eq!(texts(of_user(Some("unix:abstract=x".into()), "/a b")), [bus("unix:abstract=x")]);
        assert_eq!(texts(of_user(None, "/a b"))[0], bus("unix:path=/a%20b/bus"));
    }

    #[test]
    fn sockets_of_addresses() {
        let path = |text: &str| address(text).socket().unwrap();
        assert_eq!(path("unix:path=/run/bus,guid=00").path().unwrap(), Path::new("/run/bus"));
        assert_eq!(path("unix:guid=00,path=/a%20b%2fc").path().unwrap(), Path::new("/a b/c"));
        assert_eq!(path("unix:abstract=/tmp/dbus-x,guid=1").as_abstract().unwrap(), b"/tmp/dbus-x");
        for bad in ["tcp:host=localhost,port=1", "unix:", "unix:path", "unix:path=%2", "unix:path=%zz", "unix:tmpdir=/tmp"] {
            assert!(address(bad).socket().is_err(), "{bad}");
        }
        let long = format!("unix:path=/{}", "x".repeat(200));
        assert_eq!(address(&long).socket().unwrap_err(), "file name too long");
    }

    #[test]
    fn a_mapped_user_is_somebody_outside() {
        let map = "         0       1000          1\n         1     100000      65536\n";
        assert_eq!(outside(map, 0), Some(1000));
        assert_eq!(outside(map, 1), Some(100_000));
        assert_eq!(outside(map, 65537), None);
        assert_eq!(outside("", 0), None);
    }
}
