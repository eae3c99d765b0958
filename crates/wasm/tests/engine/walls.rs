//! The two walls, tried from within by the example `walls`.

use crate::common::{Scratch, example};
use std::collections::HashMap;
use std::process::Command;

/// What became of each attempt.
fn attempts(scratch: &Scratch, sockets: &str) -> HashMap<String, String> {
    let directory = |name: &str| {
        let path = scratch.path().join(name);
        std::fs::create_dir(&path).unwrap();
        path
    };
    let (readable, writable) = (directory("readable"), directory("writable"));
    std::fs::write(readable.join("note"), "a note").unwrap();
    let outside = scratch.file("outside", b"a secret");
    let output = Command::new(example("walls")).args([&readable, &writable, &outside]).arg(sockets).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(std::fs::read_dir(&readable).unwrap().count(), 1);
    let lines = text.lines().map(|line| line.split_once(": ").unwrap());
    lines.map(|(name, result)| (name.to_owned(), result.to_owned())).collect()
}

#[test]
fn system_calls_that_no_module_needs() {
    let all = attempts(&Scratch::new(), "none");
    let result = |name: &str| all.get(name).unwrap_or_else(|| panic!("{name} was not tried: {all:?}")).as_str();
    // All but those that are told apart by their arguments have names of system calls.
    let never: Vec<_> = all.iter().filter(|(name, _)| !name.contains(' ')).collect();
    assert!(never.len() > 30);
    for (name, result) in never {
        assert_eq!(result, "EPERM", "{name}");
    }
    for name in
        ["mmap of code", "mprotect to code", "signal to another", "limits of another", "keys into a terminal", "socket pair"]
    {
        assert_eq!(result(name), "EPERM", "{name}");
    }
    for name in ["mmap of data", "signal to itself", "limits of itself"] {
        assert_eq!(result(name), "done", "{name}");
    }
}

#[test]
fn sockets_where_they_are_on() {
    let all = attempts(&Scratch::new(), "sockets");
    assert_eq!((all["socket"].as_str(), all["socket pair"].as_str()), ("done", "done"));
    assert_eq!((all["execve"].as_str(), all["mmap of code"].as_str()), ("EPERM", "EPERM"));
}

#[test]
fn files_beside_the_preopens() {
    if !skiff_wasm::has_landlock() {
        crate::skip!("the kernel has no Landlock");
    }
    let scratch = Scratch::new();
    let all = attempts(&scratch, "none");
    for (name, wanted) in [
        ("read outside", "EACCES"),
        ("read below a readable one", "done"),
        ("write below a readable one", "EACCES"),
        ("create below a readable one", "EACCES"),
        ("mkdir below a readable one", "EACCES"),
        ("remove below a readable one", "EACCES"),
        ("move out of a readable one", "EACCES"),
        ("create below a writable one", "done"),
        ("mkdir below a writable one", "done"),
        ("link to outside", "done"),
        ("read through that link", "EACCES"),
        ("remove below a writable one", "done"),
    ] {
        assert_eq!(all[name], wanted, "{name}");
    }
    // The link would have more rights than the file has.
    assert!(["EACCES", "EXDEV"].contains(&all["link out of a readable one"].as_str()), "{all:?}");
    assert_eq!(std::fs::read(scratch.path().join("readable/note")).unwrap(), b"a note");
}
