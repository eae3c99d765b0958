//! The `skiff` binary.

fn main() -> std::process::ExitCode {
    skiff::main()
}
