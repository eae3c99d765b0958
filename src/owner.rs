//! The name of a container's owner. /etc/passwd is read directly: a static binary must not load name service modules.

/// The user's name, or `#UID` as runc prints it for a user without one.
pub(crate) fn name(uid: u32) -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    find(&passwd, uid).unwrap_or_else(|| format!("#{uid}"))
}

fn find(passwd: &str, uid: u32) -> Option<String> {
    let name = |line: &str| {
        let mut fields = line.split(':');
        let (name, _password, id) = (fields.next()?, fields.next()?, fields.next()?);
        (id.parse() == Ok(uid)).then(|| name.to_owned())
    };
    passwd.lines().find_map(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_uid() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\n+:::\nu:x:1000:1000::/:\n";
        assert_eq!(find(passwd, 0).as_deref(), Some("root"));
        assert_eq!(find(passwd, 1000).as_deref(), Some("u"));
        assert_eq!(find(passwd, 1), None);
        assert_eq!(name(u32::MAX), "#4294967295");
    }
}
