//! Black-box tests of the built runtime, one file per command or part of config.json. `SKIFF_TEST_RUNTIME` names
//! another runtime to try the tests themselves on.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[macro_use]
mod common;
#[macro_use]
mod wasm;

mod activation;
mod bad_input;
mod cgroups;
mod create;
mod delete;
mod events;
mod exec;
mod exec_around;
mod hooks;
mod kill;
mod list;
mod log;
mod mounts;
mod namespaces;
mod pause;
mod process;
mod ps;
mod rootfs;
mod run;
mod seccomp;
mod settings;
mod spec_features;
mod start;
mod state;
mod terminal;
mod update;
mod users;
mod wasm_apart;
mod wasm_choice;
mod wasm_compiled;
mod wasm_directory;
mod wasm_exec;
mod wasm_life;
mod wasm_limits;
mod wasm_places;
mod wasm_plugins;
mod wasm_rights;
mod wasm_rows;
mod wasm_walls;
