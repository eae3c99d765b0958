//! `linux.resources.blockIO`.

use super::INFINITY;
use crate::resources::properties::Properties;
use crate::resources::writes::{Value, Writes};
use crate::{Error, Variant};
use oci_spec::runtime::{LinuxBlockIo, LinuxThrottleDevice, LinuxWeightDevice};

const WEIGHT: &str = "linux.resources.blockIO.weight";
const LEAF_WEIGHT: &str = "linux.resources.blockIO.leafWeight";
const WEIGHT_DEVICE: &str = "linux.resources.blockIO.weightDevice";
/// What the kernel takes for a weight of the first version, CFQ's and BFQ's.
const WEIGHTS: std::ops::RangeInclusive<u16> = 10..=1000;

/// One of the four lists of rates.
struct Throttle {
    field: &'static str,
    v1: &'static str,
    /// Its key in `io.max`.
    key: &'static str,
    property: &'static str,
    list: fn(&LinuxBlockIo) -> &Option<Vec<LinuxThrottleDevice>>,
}

const THROTTLES: [Throttle; 4] = [
    Throttle {
        field: "linux.resources.blockIO.throttleReadBpsDevice",
        v1: "blkio.throttle.read_bps_device",
        key: "rbps",
        property: "IOReadBandwidthMax",
        list: LinuxBlockIo::throttle_read_bps_device,
    },
    Throttle {
        field: "linux.resources.blockIO.throttleWriteBpsDevice",
        v1: "blkio.throttle.write_bps_device",
        key: "wbps",
        property: "IOWriteBandwidthMax",
        list: LinuxBlockIo::throttle_write_bps_device,
    },
    Throttle {
        field: "linux.resources.blockIO.throttleReadIOPSDevice",
        v1: "blkio.throttle.read_iops_device",
        key: "riops",
        property: "IOReadIOPSMax",
        list: LinuxBlockIo::throttle_read_iops_device,
    },
    Throttle {
        field: "linux.resources.blockIO.throttleWriteIOPSDevice",
        v1: "blkio.throttle.write_iops_device",
        key: "wiops",
        property: "IOWriteIOPSMax",
        list: LinuxBlockIo::throttle_write_iops_device,
    },
];

/// A weight of 0 asks for nothing: docker 20 sends it with every container.
pub(super) fn convert(io: &LinuxBlockIo, writes: &mut Writes<'_>) -> Result<(), Error> {
    if let Some(weight) = weight(WEIGHT, io.weight())? {
        writes.push(weight_of(writes.v1(), "", weight))?;
    }
    if let Some(weight) = weight(LEAF_WEIGHT, io.leaf_weight())? {
        leaf(writes, LEAF_WEIGHT, "blkio.leaf_weight", "", weight)?;
    }
    for device in io.weight_device().iter().flatten() {
        weight_device(device, writes)?;
    }
    for throttle in &THROTTLES {
        for device in (throttle.list)(io).iter().flatten() {
            writes.push(rate(throttle, device, writes.v1())?)?;
        }
    }
    Ok(())
}

fn weight(field: &str, weight: Option<u16>) -> Result<Option<u16>, Error> {
    match weight {
        None | Some(0) => Ok(None),
        Some(weight) if WEIGHTS.contains(&weight) => Ok(Some(weight)),
        Some(weight) => Err(Error::invalid(field, format!("{weight}: not within {} and {}", WEIGHTS.start(), WEIGHTS.end()))),
    }
}

/// `device` is empty, or `8:0 ` for one device only. On version 1 the first file is that of CFQ, gone since Linux 5.0.
fn weight_of(v1: bool, device: &str, weight: u16) -> Value {
    let (field, suffix) = if device.is_empty() { (WEIGHT, "") } else { (WEIGHT_DEVICE, "_device") };
    let value = format!("{device}{weight}");
    let asked = (field, value.clone());
    if v1 {
        let bfq = format!("blkio.bfq.weight{suffix}");
        Value::new("blkio", format!("blkio.weight{suffix}"), value.clone(), asked).or(bfq, value)
    } else {
        let converted = format!("{device}{}", io_weight(weight));
        Value::new("io", "io.bfq.weight", value, asked).or("io.weight", converted)
    }
}

/// 10 to 1000 as 1 to 10000, linear.
pub(super) fn io_weight(weight: u16) -> u64 {
    1 + u64::from(weight.saturating_sub(*WEIGHTS.start())) * 9999 / 990
}

/// How much the tasks weigh against child cgroups: only CFQ knew such a thing.
fn leaf(writes: &mut Writes<'_>, field: &'static str, file: &str, device: &str, weight: u16) -> Result<(), Error> {
    if !writes.v1() {
        return Err(Error::invalid(field, format!("{device}{weight}: cgroup version 2 has no leaf weights")));
    }
    let value = format!("{device}{weight}");
    writes.push(Value::new("blkio", file, value.clone(), (field, value)))
}

fn weight_device(device: &LinuxWeightDevice, writes: &mut Writes<'_>) -> Result<(), Error> {
    let name = format!("{} ", numbers(WEIGHT_DEVICE, device.major(), device.minor())?);
    if let Some(weight) = weight(WEIGHT_DEVICE, device.weight())? {
        writes.push(weight_of(writes.v1(), &name, weight))?;
    }
    match weight(WEIGHT_DEVICE, device.leaf_weight())? {
        Some(weight) => leaf(writes, WEIGHT_DEVICE, "blkio.leaf_weight_device", &name, weight),
        None => Ok(()),
    }
}

/// `major:minor`
fn numbers(field: &str, major: i64, minor: i64) -> Result<String, Error> {
    match (u32::try_from(major), u32::try_from(minor)) {
        (Ok(major), Ok(minor)) => Ok(format!("{major}:{minor}")),
        _ => Err(Error::invalid(field, format!("{major}:{minor}: no device number"))),
    }
}

/// A rate of 0 takes the limit away: version 1 spells it so, version 2 as `max`.
fn rate(throttle: &Throttle, device: &LinuxThrottleDevice, v1: bool) -> Result<Value, Error> {
    let name = numbers(throttle.field, device.major(), device.minor())?;
    let asked = (throttle.field, format!("{name} {}", device.rate()));
    let value = match (v1, device.rate()) {
        (true, rate) => return Ok(Value::new("blkio", throttle.v1, format!("{name} {rate}"), asked).unlimited(rate == 0)),
        (false, 0) => "max".to_owned(),
        (false, rate) => rate.to_string(),
    };
    let value = format!("{name} {}={value}", throttle.key);
    Ok(Value::new("io", "io.max", value, asked).unlimited(device.rate() == 0))
}

/// systemd finds a device by a path, which udev makes for each.
fn device(major: i64, minor: i64, number: u64) -> Variant {
    Variant::Struct(vec![Variant::Text(format!("/dev/block/{major}:{minor}")), Variant::U64(number)])
}

/// Of version 1 only the weight, as with runc.
pub(super) fn properties(io: &LinuxBlockIo, properties: &mut Properties) {
    let weight = io.weight().filter(|weight| *weight != 0);
    if properties.v1() {
        if let Some(weight) = weight {
            properties.number("BlockIOWeight", weight.into(), &[WEIGHT]);
        }
        return;
    }
    if let Some(weight) = weight {
        properties.number("IOWeight", io_weight(weight), &[WEIGHT]);
    }
    let weights = io.weight_device().iter().flatten().filter_map(|entry| {
        let weight = entry.weight().filter(|weight| *weight != 0)?;
        Some(device(entry.major(), entry.minor(), io_weight(weight)))
    });
    let weights: Vec<Variant> = weights.collect();
    list(properties, "IODeviceWeight", weights);
    for throttle in &THROTTLES {
        let rate = |rate| if rate == 0 { INFINITY } else { rate };
        let rates = (throttle.list)(io).iter().flatten().map(|entry| device(entry.major(), entry.minor(), rate(entry.rate())));
        let rates = rates.collect();
        list(properties, throttle.property, rates);
    }
}

fn list(properties: &mut Properties, name: &'static str, entries: Vec<Variant>) {
    if !entries.is_empty() {
        properties.push(name, Variant::Array("(st)".to_owned(), entries), &[]);
    }
}
