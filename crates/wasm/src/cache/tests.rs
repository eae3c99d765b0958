//! The cache on a real directory, with entries that it must not use.

use super::*;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("skiff-cache-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn dir(&self) -> PathBuf {
        self.0.join("skiff/wasm")
    }

    fn open(&self) -> Cache {
        Cache::open(&self.dir()).unwrap()
    }

    fn entry(&self, key: &Key) -> PathBuf {
        self.dir().join(key.stem() + ENTRY)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn maker() -> Maker {
    Maker { engine: "0.17.1".into(), processor: processor(), optimise: 2 }
}

fn key(module: &str) -> Key {
    Key::of(module.as_bytes(), maker())
}

fn found(cache: &Cache, key: &Key) -> Option<Vec<u8>> {
    cache.lookup(key).map(|fd| {
        let mut code = Vec::new();
        File::from(fd).read_to_end(&mut code).unwrap();
        code
    })
}

#[test]
fn what_was_put_in_comes_out() {
    let place = Place::new();
    let cache = place.open();
    let (one, other) = (key("one"), key("other"));
    assert_eq!(found(&cache, &one), None);
    cache.insert(&one, b"code").unwrap();
    assert_eq!(found(&cache, &one), Some(b"code".to_vec()));
    assert_eq!(found(&cache, &other), None);
    cache.insert(&one, b"newer").unwrap();
    assert_eq!(found(&place.open(), &one), Some(b"newer".to_vec()));
    assert!(std::io::Write::write(&mut File::from(cache.lookup(&one).unwrap()), b"x").is_err(), "it can be written");
}

#[test]
fn nobody_else_gets_in() {
    let place = Place::new();
    let cache = place.open();
    cache.insert(&key("one"), b"code").unwrap();
    for (path, mode) in [(place.0.join("skiff"), 0o700), (place.dir(), 0o700), (place.entry(&key("one")), 0o400)] {
        assert_eq!(path.metadata().unwrap().mode() & 0o7777, mode, "{}", path.display());
    }
    for (path, mode) in [(place.dir(), 0o750), (place.dir(), 0o701), (place.0.join("skiff"), 0o770)] {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        assert!(matches!(Cache::open(&place.dir()), Err(Error::Unsafe { .. })), "{mode:o}");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
    }
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(place.dir(), Some(65534), None).unwrap();
        assert!(matches!(Cache::open(&place.dir()), Err(Error::Unsafe { .. })));
    }
    std::fs::rename(place.dir(), place.0.join("real")).unwrap();
    symlink(place.0.join("real"), place.dir()).unwrap();
    assert!(matches!(Cache::open(&place.dir()), Err(Error::Directory { .. })));
}

type Spoil = fn(&Place, &std::path::Path);

/// What can be wrong with an entry, and how it gets so.
fn hostile() -> Vec<(&'static str, Spoil)> {
    fn change(path: &std::path::Path, change: impl Fn(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(path).unwrap();
        change(&mut bytes);
        std::fs::remove_file(path).unwrap();
        std::fs::write(path, bytes).unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o400)).unwrap();
    }
    vec![
        ("poisoned", |_, path| change(path, |bytes| *bytes.last_mut().unwrap() ^= 1)),
        ("truncated", |_, path| change(path, |bytes| bytes.truncate(bytes.len() - 1))),
        ("longer", |_, path| change(path, |bytes| bytes.push(0))),
        ("empty", |_, path| change(path, Vec::clear)),
        ("header", |_, path| change(path, |bytes| bytes[30] ^= 1)),
        ("version", |_, path| change(path, |bytes| bytes[8] += 1)),
        ("magic", |_, path| change(path, |bytes| bytes[0] = b'x')),
        ("writable", |_, path| std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap()),
        ("readable", |_, path| std::fs::set_permissions(path, PermissionsExt::from_mode(0o444)).unwrap()),
        ("linked", |place, path| std::fs::hard_link(path, place.0.join("link")).unwrap()),
        ("link", |place, path| {
            std::fs::rename(path, place.0.join("there")).unwrap();
            symlink(place.0.join("there"), path).unwrap();
        }),
        ("fifo", |_, path| {
            std::fs::remove_file(path).unwrap();
            nix::unistd::mkfifo(path, Mode::from_bits_truncate(0o400)).unwrap();
        }),
        ("directory", |_, path| {
            std::fs::remove_file(path).unwrap();
            std::fs::create_dir(path).unwrap();
        }),
        ("of another module", |place, path| std::fs::rename(place.entry(&key("other")), path).unwrap()),
        ("owner", |_, path| match nix::unistd::geteuid().is_root() {
            true => std::os::unix::fs::chown(path, Some(65534), None).unwrap(),
            false => std::fs::remove_file(path).unwrap(),
        }),
    ]
}

#[test]
fn a_hostile_entry_is_refused_removed_and_made_again() {
    for (what, spoil) in hostile() {
        let place = Place::new();
        let cache = place.open();
        let key = key("one");
        cache.insert(&key, b"code").unwrap();
        cache.insert(&self::key("other"), b"other").unwrap();
        spoil(&place, &place.entry(&key));
        assert_eq!(found(&cache, &key), None, "{what}");
        assert!(place.entry(&key).symlink_metadata().is_err(), "{what} is still there");
        cache.insert(&key, b"code").unwrap();
        assert_eq!(found(&cache, &key), Some(b"code".to_vec()), "{what}");
    }
}

#[test]
fn a_look_up_reads_short_code_and_verify_all() {
    let place = Place::new();
    let cache = place.open();
    let (short, long) = (key("short"), key("long"));
    cache.insert(&short, b"code").unwrap();
    cache.insert(&long, &vec![7; entry::CHECKED as usize + 1]).unwrap();
    for key in [&short, &long] {
        let path = place.entry(key);
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o400)).unwrap();
    }
    assert!(found(&cache, &short).is_none());
    assert!(found(&cache, &long).is_some(), "its digest costs milliseconds");
    let verdicts = cache.verify().unwrap();
    assert!(matches!(verdicts.as_slice(), [Verdict::Removed { reason: "its code is damaged", .. }]), "{verdicts:?}");
    assert!(found(&cache, &long).is_none());
}

#[test]
fn the_least_recently_used_goes_first() {
    let place = Place::new();
    let cache = place.open();
    let keys = ["a", "b", "c", "d"].map(key);
    for (at, key) in keys.iter().enumerate() {
        cache.insert(key, &[0; 1000]).unwrap();
        cache.used_at(key, 1_000 + at as i64);
    }
    // The look-up makes it the last to go.
    assert!(cache.lookup(&keys[0]).is_some());
    let left = |cache: &Cache| cache.list().unwrap().into_iter().map(|entry| entry.module).collect::<Vec<_>>();
    assert_eq!(left(&cache), [keys[1].module, keys[2].module, keys[3].module, keys[0].module]);
    let size = 1000 + entry::HEADER as u64;
    let done = cache.prune(2 * size, &maker(), false).unwrap();
    assert_eq!(done, Tidied { removed: 2, freed: 2 * size, kept: 2, size: 2 * size });
    assert_eq!(left(&cache), [keys[3].module, keys[0].module]);
    assert_eq!(cache.prune(0, &maker(), false).unwrap().kept, 0);
}

#[test]
fn what_is_stale_or_foreign_is_swept_away() {
    let place = Place::new();
    let cache = place.open();
    let foreign = Key { maker: Maker { engine: "0.16.0".into(), ..maker() }, ..key("one") };
    for key in [&key("one"), &foreign] {
        cache.insert(key, b"code").unwrap();
    }
    cache.note_failure(&key("bad"), "why").unwrap();
    let old = TimeSpec::seconds(1_000);
    for name in [".new-1-1", ".new-2-2", "x.failed"] {
        std::fs::write(place.dir().join(name), "half").unwrap();
        let flags = UtimensatFlags::NoFollowSymlink;
        if name != ".new-2-2" {
            utimensat(&cache.dir, name, &old, &old, flags).unwrap();
        }
    }
    let done = cache.prune(u64::MAX, &maker(), false).unwrap();
    assert_eq!((done.removed, done.kept), (0, 2), "an engine may be in use beside this one");
    let names: Vec<String> = cache.names("").unwrap();
    assert!(names.contains(&".new-2-2".to_owned()) && names.len() == 4, "{names:?}");
    cache.used_at(&foreign, 1_000);
    assert_eq!(cache.prune(u64::MAX, &maker(), false).unwrap().removed, 1);
    cache.insert(&foreign, b"code").unwrap();
    assert_eq!(cache.prune(u64::MAX, &maker(), true).unwrap().removed, 1);
    assert!(cache.lookup(&key("one")).is_some());
}

#[test]
fn a_failure_is_remembered_for_a_while() {
    let place = Place::new();
    let cache = place.open();
    let key = key("bad");
    assert_eq!(cache.failure(&key), None);
    cache.note_failure(&key, "too large").unwrap();
    assert_eq!(cache.failure(&key).as_deref(), Some("too large"));
    let name = key.stem() + FAILED;
    for time in [1_000, i64::from(u32::MAX)] {
        let time = TimeSpec::seconds(time);
        utimensat(&cache.dir, name.as_str(), &time, &time, UtimensatFlags::NoFollowSymlink).unwrap();
        assert_eq!(cache.failure(&key), None, "too old, or from the future");
    }
    cache.note_failure(&key, "again").unwrap();
    cache.insert(&key, b"code").unwrap();
    assert_eq!(cache.failure(&key), None);
}

#[test]
fn many_at_once_see_whole_entries_only() {
    let place = Place::new();
    let key = key("one");
    let codes: Vec<Vec<u8>> = (0..4u8).map(|byte| vec![byte; 100_000 + usize::from(byte)]).collect();
    std::thread::scope(|scope| {
        for code in &codes {
            scope.spawn(|| {
                let cache = place.open();
                for _ in 0..20 {
                    cache.insert(&key, code).unwrap();
                    let seen = found(&cache, &key).unwrap();
                    assert!(codes.contains(&seen));
                }
            });
        }
        scope.spawn(|| {
            let cache = place.open();
            for _ in 0..20 {
                let done = cache.prune(u64::MAX, &maker(), false).unwrap();
                assert_eq!(done.removed, 0);
            }
        });
    });
    assert_eq!(place.open().names("").unwrap().len(), 1, "one entry and nothing half done");
}

#[test]
fn one_at_a_time() {
    let place = Place::new();
    let (cache, again) = (place.open(), place.open());
    let held = cache.lock(&key("one"), false).unwrap();
    assert!(held.is_some());
    assert!(again.lock(&key("one"), false).unwrap().is_none());
    assert!(again.lock(&key("other"), false).unwrap().is_some());
    drop(held);
    assert!(again.lock(&key("one"), false).unwrap().is_some());
    let (first, second) = (cache.slot(2, false, &key("one")).unwrap(), again.slot(2, false, &key("one")).unwrap());
    // Nobody who is waited for waits for these.
    let third = again.slot(1, true, &key("one")).unwrap();
    drop((first, second, third));
}

#[test]
fn the_queue_has_an_end() {
    let place = Place::new();
    let cache = place.open();
    let mut taken: Vec<_> = (0..super::lock::QUEUE).map(|_| cache.place().unwrap()).collect();
    assert!(taken.iter().all(Option::is_some));
    assert!(cache.place().unwrap().is_none());
    taken.pop();
    assert!(cache.place().unwrap().is_some());
}
