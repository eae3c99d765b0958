# What is done often. Each recipe is one line, or a script in integration/.

_default:
    @just --list --unsorted

# the release binary
build:
    cargo build --release

# every test that the gate runs; the last line counts them
test:
    bash integration/test

# every test there is: each step of the fault walk, and real clients
full:
    bash integration/test full

# cpuset, weights of block devices and pressure, in a guest whose kernel is built for it
test-kernel $KERNEL="own" $PARTS="resources podman":
    integration/guest/test cgroups:: update:: events:: && integration/guest/systemd

# clippy, warnings are errors
lint:
    cargo clippy --workspace --exclude skiff-wasm --all-targets -- -D warnings

# format the code
fmt:
    cargo fmt --all

# the WebAssembly engine's prefix, out of Debian packages
engine *FLAGS:
    integration/engine/build {{FLAGS}}

# the second binary, with the engine
build-wasm: engine
    integration/engine/cargo build --release

# a container's life, step by step
demo:
    integration/demo/run

# system calls and programs of one `run /bin/true`, beside other runtimes
bench-count: build
    integration/bench/count/run.sh ${CARGO_TARGET_DIR:-target}/*/release/skiff
