//! `linux.resources.hugepageLimits`.

use crate::Error;
use crate::resources::writes::{Value, Writes};
use oci_spec::runtime::LinuxHugepageLimit;

const FIELD: &str = "linux.resources.hugepageLimits";

/// The limit on use, and where the kernel counts reservations (Linux 5.7) the limit on these, which a process meets at
/// mmap(2) instead of by SIGBUS. Kubernetes sends a limit of 0 for every size that the host has.
pub(super) fn convert(limits: &[LinuxHugepageLimit], writes: &mut Writes<'_>) -> Result<(), Error> {
    let file = if writes.v1() { "limit_in_bytes" } else { "max" };
    for entry in limits {
        let (size, limit) = (entry.page_size(), entry.limit());
        if !is_size(size) {
            return Err(Error::invalid(FIELD, format!("pageSize {size:?}: not of the form 64KB, 2MB, 1GB")));
        }
        let bytes = u64::try_from(limit).map_err(|_| Error::invalid(FIELD, format!("{size} {limit}: is negative")))?;
        let asked = (FIELD, format!("{size} {bytes}"));
        // Whoever wants no limit says the largest number there is, which oci-spec takes for this one.
        let unlimited = limit == i64::MAX;
        let value = |kind: &str| Value::new("hugetlb", format!("hugetlb.{size}.{kind}{file}"), bytes.to_string(), asked.clone());
        writes.push(value("").unlimited(unlimited))?;
        writes.push(value("rsvd.").optional().unlimited(unlimited))?;
    }
    Ok(())
}

/// Part of a file's name, so that nothing else may be in it.
fn is_size(size: &str) -> bool {
    let number = size.trim_end_matches("B").trim_end_matches(['K', 'M', 'G', 'T']);
    let unit = size.strip_prefix(number).unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) && ["B", "KB", "MB", "GB", "TB"].contains(&unit)
}
