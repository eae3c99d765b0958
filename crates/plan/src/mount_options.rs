//! The options of a mount: a table from the name to what it does. Parent side.

use libc::{
    MOUNT_ATTR__ATIME, MOUNT_ATTR_NOATIME, MOUNT_ATTR_NODEV, MOUNT_ATTR_NODIRATIME, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_NOSYMFOLLOW, MOUNT_ATTR_RDONLY, MOUNT_ATTR_RELATIME, MOUNT_ATTR_STRICTATIME, MS_PRIVATE, MS_REC, MS_SHARED,
    MS_SLAVE, MS_UNBINDABLE,
};

use crate::AttrChange;

/// What one option does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    /// `defaults`, and what has no effect a container could see (`silent`: the kernel's log).
    Nothing,
    /// No name in fsconfig(2) and no effect on the filesystems of containers: to be told.
    Told,
    Bind {
        recursive: bool,
    },
    Remount,
    /// Read-only, as an attribute and as the flag of a new superblock.
    Readonly(bool),
    Attr(Scope, u64, bool),
    /// Take this value of the access-time field.
    Atime(Scope, u64),
    /// Leave this value of the access-time field, for the kernel's default.
    NotAtime(Scope, u64),
    /// A flag of the superblock, by its fsconfig(2) name.
    Super(&'static str, bool),
    Propagation(u64),
    CopyUp,
    Refused,
}

/// Whether an attribute goes to the mount alone or to the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    One,
    Tree,
}

use Act::{Atime, Attr, Bind, CopyUp, NotAtime, Nothing, Propagation, Readonly, Refused, Remount, Super, Told};
use Scope::{One, Tree};

/// Sorted by name. The names are runc's; `acl` is not among them since it is the filesystem's own option.
const TABLE: [(&str, Act); 62] = [
    ("async", Super("sync", false)),
    ("atime", NotAtime(One, MOUNT_ATTR_NOATIME)),
    ("bind", Bind { recursive: false }),
    ("defaults", Nothing),
    ("dev", Attr(One, MOUNT_ATTR_NODEV, false)),
    ("diratime", Attr(One, MOUNT_ATTR_NODIRATIME, false)),
    ("dirsync", Super("dirsync", true)),
    ("exec", Attr(One, MOUNT_ATTR_NOEXEC, false)),
    ("idmap", Refused),
    ("iversion", Told),
    ("lazytime", Super("lazytime", true)),
    ("loud", Nothing),
    ("mand", Super("mand", true)),
    ("noatime", Atime(One, MOUNT_ATTR_NOATIME)),
    ("nodev", Attr(One, MOUNT_ATTR_NODEV, true)),
    ("nodiratime", Attr(One, MOUNT_ATTR_NODIRATIME, true)),
    ("noexec", Attr(One, MOUNT_ATTR_NOEXEC, true)),
    ("noiversion", Nothing),
    ("nolazytime", Super("lazytime", false)),
    ("nomand", Super("mand", false)),
    ("norelatime", NotAtime(One, MOUNT_ATTR_RELATIME)),
    ("nostrictatime", NotAtime(One, MOUNT_ATTR_STRICTATIME)),
    ("nosuid", Attr(One, MOUNT_ATTR_NOSUID, true)),
    ("nosymfollow", Attr(One, MOUNT_ATTR_NOSYMFOLLOW, true)),
    ("private", Propagation(MS_PRIVATE)),
    ("ratime", NotAtime(Tree, MOUNT_ATTR_NOATIME)),
    ("rbind", Bind { recursive: true }),
    ("rdev", Attr(Tree, MOUNT_ATTR_NODEV, false)),
    ("rdiratime", Attr(Tree, MOUNT_ATTR_NODIRATIME, false)),
    ("relatime", Atime(One, MOUNT_ATTR_RELATIME)),
    ("remount", Remount),
    ("rexec", Attr(Tree, MOUNT_ATTR_NOEXEC, false)),
    ("ridmap", Refused),
    ("rnoatime", Atime(Tree, MOUNT_ATTR_NOATIME)),
    ("rnodev", Attr(Tree, MOUNT_ATTR_NODEV, true)),
    ("rnodiratime", Attr(Tree, MOUNT_ATTR_NODIRATIME, true)),
    ("rnoexec", Attr(Tree, MOUNT_ATTR_NOEXEC, true)),
    ("rnorelatime", NotAtime(Tree, MOUNT_ATTR_RELATIME)),
    ("rnostrictatime", NotAtime(Tree, MOUNT_ATTR_STRICTATIME)),
    ("rnosuid", Attr(Tree, MOUNT_ATTR_NOSUID, true)),
    ("rnosymfollow", Attr(Tree, MOUNT_ATTR_NOSYMFOLLOW, true)),
    ("ro", Readonly(true)),
    ("rprivate", Propagation(MS_PRIVATE | MS_REC)),
    ("rrelatime", Atime(Tree, MOUNT_ATTR_RELATIME)),
    ("rro", Attr(Tree, MOUNT_ATTR_RDONLY, true)),
    ("rrw", Attr(Tree, MOUNT_ATTR_RDONLY, false)),
    ("rshared", Propagation(MS_SHARED | MS_REC)),
    ("rslave", Propagation(MS_SLAVE | MS_REC)),
    ("rstrictatime", Atime(Tree, MOUNT_ATTR_STRICTATIME)),
    ("rsuid", Attr(Tree, MOUNT_ATTR_NOSUID, false)),
    ("rsymfollow", Attr(Tree, MOUNT_ATTR_NOSYMFOLLOW, false)),
    ("runbindable", Propagation(MS_UNBINDABLE | MS_REC)),
    ("rw", Readonly(false)),
    ("shared", Propagation(MS_SHARED)),
    ("silent", Nothing),
    ("slave", Propagation(MS_SLAVE)),
    ("strictatime", Atime(One, MOUNT_ATTR_STRICTATIME)),
    ("suid", Attr(One, MOUNT_ATTR_NOSUID, false)),
    ("symfollow", Attr(One, MOUNT_ATTR_NOSYMFOLLOW, false)),
    ("sync", Super("sync", true)),
    ("tmpcopyup", CopyUp),
    ("unbindable", Propagation(MS_UNBINDABLE)),
];

/// Every mount option that is understood here, sorted: `mountOptions` of `features`. What is not among them goes to
/// the filesystem as it is.
pub fn mount_option_names() -> Vec<&'static str> {
    TABLE.iter().filter(|(_, act)| *act != Refused).map(|(name, _)| *name).collect()
}

/// The options of one mount, understood. Of two that contradict each other the later one holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct MountOptions {
    /// A bind, and whether with the mounts below.
    pub(crate) bind: Option<bool>,
    pub(crate) remount: bool,
    /// `ro` or `rw`, whichever came last.
    pub(crate) readonly: Option<bool>,
    /// All attributes but the read-only one.
    pub(crate) attr: AttrChange,
    pub(crate) recursive_attr: AttrChange,
    pub(crate) propagation: Vec<u64>,
    /// Superblock flags but `ro`, by fsconfig(2) name.
    pub(crate) flags: Vec<&'static str>,
    /// The filesystem's own options.
    pub(crate) data: Vec<String>,
    pub(crate) copy_up: bool,
    /// Known names that nothing can be done about.
    pub(crate) told: Vec<&'static str>,
    /// Known names that are not supported yet.
    pub(crate) refused: Vec<&'static str>,
}

impl MountOptions {
    pub(crate) fn parse(options: &[String]) -> MountOptions {
        let mut parsed = MountOptions::default();
        for option in options {
            match TABLE.binary_search_by_key(&option.as_str(), |(name, _)| name) {
                Ok(at) => parsed.apply(TABLE[at].0, TABLE[at].1),
                Err(_) => parsed.data.extend(split(option)),
            }
        }
        parsed
    }

    fn apply(&mut self, name: &'static str, act: Act) {
        match act {
            Nothing => {}
            Told => self.told.push(name),
            Bind { recursive } => self.bind = Some(recursive || self.bind == Some(true)),
            Remount => self.remount = true,
            Readonly(on) => self.readonly = Some(on),
            Attr(scope, bit, on) => self.scope(scope).put(bit, on),
            Atime(scope, value) => self.scope(scope).take_atime(value),
            NotAtime(scope, value) => self.scope(scope).leave_atime(value),
            Super(flag, on) => self.put_flag(flag, on),
            Propagation(flags) => self.propagation.push(flags),
            CopyUp => self.copy_up = true,
            Refused => self.refused.push(name),
        }
    }

    fn scope(&mut self, scope: Scope) -> &mut AttrChange {
        match scope {
            One => &mut self.attr,
            Tree => &mut self.recursive_attr,
        }
    }

    fn put_flag(&mut self, flag: &'static str, on: bool) {
        self.flags.retain(|known| *known != flag);
        if on {
            self.flags.push(flag);
        }
    }
}

impl AttrChange {
    /// Sets or clears one bit, whatever was said of it before.
    pub(crate) fn put(&mut self, bit: u64, on: bool) {
        let (to, from) = if on { (&mut self.set, &mut self.clear) } else { (&mut self.clear, &mut self.set) };
        *to |= bit;
        *from &= !bit;
    }

    /// The access time is a field of several bits: mount_setattr(2) wants all of them cleared in the call that sets one.
    fn take_atime(&mut self, value: u64) {
        self.clear |= MOUNT_ATTR__ATIME;
        self.set = self.set & !MOUNT_ATTR__ATIME | value;
    }

    /// Not `value`: the kernel's default (relatime, which is 0), unless another value was asked for. Not relatime alone
    /// names no other value, so it changes nothing, as in mount(8).
    fn leave_atime(&mut self, value: u64) {
        let asked = (self.clear & MOUNT_ATTR__ATIME != 0).then_some(self.set & MOUNT_ATTR__ATIME);
        match asked {
            Some(other) if other != value => {}
            _ if value == MOUNT_ATTR_RELATIME => self.clear &= !MOUNT_ATTR__ATIME,
            _ => self.take_atime(MOUNT_ATTR_RELATIME),
        }
    }
}

/// The pieces between commas, as the kernel splits the data of mount(2): a comma that is quoted or behind a backslash
/// does not count.
fn split(option: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for letter in option.chars() {
        if letter == ',' && !quoted && !escaped {
            pieces.push(String::new());
            continue;
        }
        quoted ^= letter == '"';
        escaped = letter == '\\' && !escaped;
        if let Some(piece) = pieces.last_mut() {
            piece.push(letter);
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

#[cfg(test)]
#[path = "mount_options_tests.rs"]
mod tests;
