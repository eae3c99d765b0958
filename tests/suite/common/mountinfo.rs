//! /proc/self/mountinfo as a test reads it (proc(5)).

/// One line of mountinfo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountLine {
    pub root: String,
    pub at: String,
    pub options: Vec<String>,
    /// `shared:7`, `master:3`, `unbindable`.
    pub propagation: Vec<String>,
    pub fstype: String,
    pub source: String,
    pub super_options: Vec<String>,
}

impl MountLine {
    /// True if the mount has the option `name`, or its superblock has.
    pub fn has(&self, name: &str) -> bool {
        self.options.iter().chain(&self.super_options).any(|option| option == name)
    }

    /// True if the mount itself (not its superblock) is read-only.
    pub fn is_readonly(&self) -> bool {
        self.options.iter().any(|option| option == "ro")
    }

    /// True if a propagation field starts with `prefix` (`shared:`, `master:`).
    pub fn propagates(&self, prefix: &str) -> bool {
        self.propagation.iter().any(|field| field.starts_with(prefix))
    }
}

fn commas(text: &str) -> Vec<String> {
    text.split(',').map(str::to_string).collect()
}

fn line(text: &str) -> Option<MountLine> {
    let (left, right) = text.split_once(" - ")?;
    let left: Vec<&str> = left.split(' ').collect();
    let right: Vec<&str> = right.split(' ').collect();
    Some(MountLine {
        root: (*left.get(3)?).to_string(),
        at: (*left.get(4)?).to_string(),
        options: commas(left.get(5)?),
        propagation: left[6..].iter().map(ToString::to_string).collect(),
        fstype: (*right.first()?).to_string(),
        source: (*right.get(1)?).to_string(),
        super_options: commas(right.get(2)?),
    })
}

/// Every line of a mountinfo file.
pub fn parse(text: &str) -> Vec<MountLine> {
    text.lines().filter_map(line).collect()
}

/// The topmost mount at `path`.
pub fn mount_at<'a>(mounts: &'a [MountLine], path: &str) -> &'a MountLine {
    mounts.iter().rfind(|mount| mount.at == path).unwrap_or_else(|| panic!("no mount at {path} in {mounts:#?}"))
}
