//! Shows: Rust's standard library on WASI preview 1, with the features that its compiler turns on (bulk memory, sign extension,
//! reference types). One act a run:
//!   rust hello | files DIR | enter FILE | panic | overflow | exit N | thread | time | lines

use std::collections::HashMap;
use std::io::BufRead;
use std::time::{Duration, Instant, SystemTime};

fn files(directory: &str) -> std::io::Result<()> {
    let path = format!("{directory}/rust.txt");
    std::fs::write(&path, "written by rust\n")?;
    print!("{}", std::fs::read_to_string(&path)?);
    std::fs::remove_file(&path)
}

/// Reads a file of the directory that PWD names.
fn enter(file: &str) -> std::io::Result<()> {
    std::env::set_current_dir(std::env::var_os("PWD").unwrap_or_default())?;
    print!("{}", std::fs::read_to_string(file)?);
    Ok(())
}

#[inline(never)]
fn inner(numbers: &[u32]) -> u32 {
    numbers[numbers.len()]
}

#[inline(never)]
fn outer(numbers: &[u32]) -> u32 {
    inner(numbers) + 1
}

#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 128]);
    if frame[0] == u64::MAX {
        return 0;
    }
    recurse(depth + 1) + frame[depth as usize % 128]
}

fn time() -> bool {
    let before = Instant::now();
    std::thread::sleep(Duration::from_millis(20));
    before.elapsed() >= Duration::from_millis(20) && SystemTime::now() > SystemTime::UNIX_EPOCH
}

fn lines() {
    let mut counts = HashMap::new();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        *counts.entry(line).or_insert(0) += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort();
    println!("{counts:?}");
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let argument = |index: usize| arguments.get(index).map_or("", String::as_str);
    match argument(1) {
        "files" => files(argument(2)).unwrap(),
        "enter" => enter(argument(2)).unwrap(),
        "panic" => println!("{}", outer(&[1, 2, 3])),
        "overflow" => println!("{}", recurse(0)),
        "exit" => std::process::exit(argument(2).parse().unwrap()),
        "thread" => println!("{:?}", std::thread::Builder::new().spawn(|| ()).map_err(|error| error.kind())),
        "time" => println!("{}", time()),
        "lines" => lines(),
        _ => println!("hello from rust"),
    }
}
