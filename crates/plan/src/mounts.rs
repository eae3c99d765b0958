//! Mounts: from config.json's entries to steps of init. Parent side.

use std::ffi::CString;
use std::path::{Component, Path, PathBuf};

use libc::MOUNT_ATTR_RDONLY;
use oci_spec::runtime::Mount as Entry;

use crate::mount_options::MountOptions;
use crate::{AttrChange, Bundle, CgroupFacts, CgroupLayout, Error, HostFacts, InitOp, Mount, MountKind, NewFilesystem};
use crate::{cgroup_mount, namespaces};

/// What mounts become: the steps in their order, those that must wait, and what was not done.
#[derive(Debug, Default)]
pub(crate) struct Mounts {
    /// The mounts, and the links of a version 1 cgroup mount.
    pub(crate) ops: Vec<InitOp>,
    /// Mounts that turn read-only once everything below them is there.
    pub(crate) readonly_later: Vec<InitOp>,
    pub(crate) warnings: Vec<String>,
}

/// Resolves every mount of `bundle`; `layout` says where a cgroup mount without a cgroup namespace points.
pub(crate) fn resolve(bundle: &Bundle, facts: &HostFacts, layout: &CgroupLayout) -> Result<Mounts, Error> {
    let mut mounts = Mounts::default();
    for (index, entry) in entries(&bundle.spec).iter().enumerate() {
        let entry = Parsed::new(index, entry)?;
        if entry.fstype == "cgroup" && !matches!(facts.cgroup, CgroupFacts::V2 { .. }) && entry.is_new() {
            let own_namespace = namespaces::is_new(&bundle.spec, oci_spec::runtime::LinuxNamespaceType::Cgroup);
            cgroup_mount::expand(&entry, facts, layout, own_namespace, &mut mounts)?;
        } else {
            entry.resolve(&bundle.path, &mut mounts)?;
        }
    }
    Ok(mounts)
}

/// The mounts of `spec`, in order.
pub(crate) fn entries(spec: &oci_spec::runtime::Spec) -> &[Entry] {
    spec.mounts().as_deref().unwrap_or_default()
}

/// The destination as an absolute path without `.`, `..` and doubled slashes; a relative one is taken from `/`
/// (runtime-spec 1.2).
///
/// By the letters, as runc does: what is a link is not known here, and a link decides nothing then.
pub(crate) fn destination(path: &Path) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => drop(clean.pop()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    clean
}

/// Whether `entry` is a bind: an option says so, or the type, where no option does.
pub(crate) fn is_bind(entry: &Entry) -> bool {
    let asked = |option: &String| option == "bind" || option == "rbind";
    entry.typ().as_deref() == Some("bind") || entry.options().iter().flatten().any(asked)
}

/// One entry with its options understood.
pub(crate) struct Parsed<'a> {
    pub(crate) index: usize,
    pub(crate) destination: PathBuf,
    /// Empty if there is none.
    pub(crate) fstype: &'a str,
    source: Option<&'a Path>,
    pub(crate) options: MountOptions,
    is_bind: bool,
}

impl<'a> Parsed<'a> {
    fn new(index: usize, entry: &'a Entry) -> Result<Parsed<'a>, Error> {
        let options = MountOptions::parse(entry.options().as_deref().unwrap_or_default());
        if let Some(name) = options.refused.first() {
            return Err(Error::unsupported(format!("mounts[{index}].options: {name}")));
        }
        Ok(Parsed {
            index,
            destination: destination(entry.destination()),
            fstype: entry.typ().as_deref().unwrap_or_default(),
            source: entry.source().as_deref().filter(|source| !source.as_os_str().is_empty()),
            options,
            is_bind: is_bind(entry),
        })
    }

    fn is_new(&self) -> bool {
        !self.is_bind && !self.options.remount
    }

    fn field(&self, name: &str) -> String {
        format!("mounts[{}].{name}", self.index)
    }

    fn resolve(mut self, bundle: &Path, mounts: &mut Mounts) -> Result<(), Error> {
        // devices, links and mount points are still to be made below these
        let later = (self.fstype == "tmpfs" && self.is_new()) || self.destination == Path::new("/dev");
        let readonly_later = later && self.options.readonly == Some(true);
        if readonly_later {
            self.options.readonly = None;
            mounts.readonly_later.push(InitOp::ReadonlyMount(self.destination.clone()));
        }
        let kind = self.kind(bundle)?;
        let is_tmpfs = matches!(&kind, MountKind::New(new) if new.fstype.as_bytes() == b"tmpfs");
        self.warn(is_tmpfs, &mut mounts.warnings);
        mounts.ops.push(InitOp::Mount(self.mount(kind)));
        Ok(())
    }

    fn kind(&mut self, bundle: &Path) -> Result<MountKind, Error> {
        if self.options.remount {
            self.remount()
        } else if self.is_bind {
            self.bind(bundle)
        } else {
            self.new_filesystem().map(MountKind::New)
        }
    }

    /// Only the attributes can change: the superblock of another mount is not touched.
    fn remount(&self) -> Result<MountKind, Error> {
        let superblock = self.options.flags.first().copied().or(self.options.data.first().map(String::as_str));
        match superblock {
            Some(option) => Err(Error::unsupported(self.field(&format!("options: remount with {option}")))),
            None => Ok(MountKind::Remount),
        }
    }

    fn bind(&self, bundle: &Path) -> Result<MountKind, Error> {
        let source = self.source.ok_or_else(|| Error::invalid(self.field("source"), "is missing, and a bind needs one"))?;
        Ok(MountKind::Bind { source: bundle.join(source), recursive: self.options.bind == Some(true) })
    }

    fn new_filesystem(&mut self) -> Result<NewFilesystem, Error> {
        let fstype = match self.fstype {
            "" | "none" => return Err(Error::invalid(self.field("type"), "is missing, and no option asks for a bind")),
            // fs/cgroup of a unified host; `resolve` has taken the others
            "cgroup" => "cgroup2",
            other => other,
        };
        let mut flags = std::mem::take(&mut self.options.flags);
        if self.options.readonly == Some(true) {
            flags.push("ro");
        }
        Ok(NewFilesystem {
            fstype: self.c_string("type", fstype.as_bytes())?,
            source: self.c_string("source", self.source.map_or(b"none", |path| path.as_os_str().as_encoded_bytes()))?,
            flags,
            options: std::mem::take(&mut self.options.data),
            copy_up: self.options.copy_up && fstype == "tmpfs",
        })
    }

    fn c_string(&self, name: &str, bytes: &[u8]) -> Result<CString, Error> {
        CString::new(bytes).map_err(|_| Error::invalid(self.field(name), "contains a null byte"))
    }

    /// Tells of options that nothing is done about; `tmpcopyup` is one of them unless this `is_tmpfs`.
    pub(crate) fn warn(&self, is_tmpfs: bool, warnings: &mut Vec<String>) {
        let told = self.options.told.iter().copied();
        let copy_up = (self.options.copy_up && !is_tmpfs).then_some("tmpcopyup");
        // a new filesystem has taken its options; a bind has no use for them
        let data = self.options.data.iter().map(String::as_str);
        let ignored = told.chain(copy_up).chain(data);
        warnings.extend(ignored.map(|option| format!("{}: {option} has no effect here and is ignored", self.field("options"))));
    }

    fn mount(self, kind: MountKind) -> Mount {
        Mount {
            index: self.index,
            no_symlinks: no_symlinks(&kind, &self.destination),
            attr: self.attr(),
            destination: self.destination,
            kind,
            recursive_attr: self.options.recursive_attr,
            propagation: self.options.propagation,
        }
    }

    /// The attributes of the mount itself, the read-only one included.
    pub(crate) fn attr(&self) -> AttrChange {
        let mut attr = self.options.attr;
        if let Some(readonly) = self.options.readonly {
            attr.put(MOUNT_ATTR_RDONLY, readonly);
        }
        attr
    }
}

fn no_symlinks(kind: &MountKind, destination: &Path) -> bool {
    let by_type = matches!(kind, MountKind::New(new) if [&b"proc"[..], b"sysfs"].contains(&new.fstype.as_bytes()));
    by_type || ["/proc", "/sys", "/dev"].iter().any(|path| destination == Path::new(path))
}

#[cfg(test)]
#[path = "mounts_tests.rs"]
mod tests;
