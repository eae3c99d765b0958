//! Huge pages. What is reserved counts, where the kernel tells it apart (Linux 5.7): a reservation is what a limit hits.

use super::Usage;
use super::read::{Files, of};
use crate::Error;
use std::collections::BTreeMap;

/// Where the kernel lists its page sizes.
const SIZES: &str = "/sys/kernel/mm/hugepages";

/// The files of version 1, by page size.
pub(super) fn v1(files: Files<'_>) -> Result<BTreeMap<String, Usage>, Error> {
    each(files, "usage_in_bytes", |_, prefix, usage| {
        let value = |name| files.value(&format!("{prefix}.{name}"));
        Ok(Usage { limit: value("limit_in_bytes")?, usage, max: value("max_usage_in_bytes")?, failures: value("failcnt")? })
    })
}

/// The files of version 2, by page size. Only what is used at once has events, not what is reserved.
pub(super) fn v2(files: Files<'_>) -> Result<BTreeMap<String, Usage>, Error> {
    each(files, "current", |size, prefix, usage| {
        let failures = of(&files.table(&format!("hugetlb.{size}.events"))?, "max");
        Ok(Usage { limit: files.value(&format!("{prefix}.max"))?, usage, max: 0, failures })
    })
}

/// Calls `read` for each page size that the controller knows, with the size, the prefix of its files and its usage.
fn each(
    files: Files<'_>,
    usage: &str,
    read: impl Fn(&str, &str, u64) -> Result<Usage, Error>,
) -> Result<BTreeMap<String, Usage>, Error> {
    let mut found = BTreeMap::new();
    for size in sizes() {
        for prefix in [format!("hugetlb.{size}.rsvd"), format!("hugetlb.{size}")] {
            if let Some(usage) = files.number(&format!("{prefix}.{usage}"))? {
                found.insert(size.clone(), read(&size, &prefix, usage)?);
                break;
            }
        }
    }
    Ok(found)
}

fn sizes() -> Vec<String> {
    let entries = std::fs::read_dir(SIZES).into_iter().flatten().flatten();
    entries.filter_map(|entry| size(entry.file_name().to_str()?)).collect()
}

/// `hugepages-2048kB` is `2MB` in the names of cgroup files.
fn size(directory: &str) -> Option<String> {
    let kilobytes: u64 = directory.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
    Some(match kilobytes {
        0x100_000.. => format!("{}GB", kilobytes >> 20),
        0x400.. => format!("{}MB", kilobytes >> 10),
        _ => format!("{kilobytes}KB"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_sizes_as_in_file_names() {
        let name = |kilobytes: u64| size(&format!("hugepages-{kilobytes}kB"));
        assert_eq!(name(64).as_deref(), Some("64KB"));
        assert_eq!(name(2048).as_deref(), Some("2MB"));
        assert_eq!(name(524_288).as_deref(), Some("512MB"));
        assert_eq!(name(1_048_576).as_deref(), Some("1GB"));
        assert_eq!((size("hugepages-xkB"), size("other")), (None, None));
    }
}
