#!/usr/bin/env bash
# Runs every test. Without a GPU adapter it first installs Mesa's software Vulkan driver (Debian, Ubuntu, Fedora, Arch), and
# says so. Arguments go to the test runner; `--all-drivers` first runs everything on every driver of this machine in turn,
# `--prepare` runs nothing: it stops once there is an adapter. FER_GPU_LONG=1 runs the tests that take long as well.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "${1:-}" = --all-drivers ]; then
    shift
    exec tools/all_drivers.sh "$@"
fi

# OpenGL alone does not count: its kernels run, at a crawl on a software driver.
has_adapter() { cargo run --release --all-features --quiet -- devices 2>/dev/null | grep -qE " (vulkan|metal|dx12) "; }

install_driver() {
    local sudo=""
    [ "$(id -u)" = 0 ] || sudo=sudo
    if command -v apt-get >/dev/null; then
        $sudo apt-get update -qq && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq mesa-vulkan-drivers
    elif command -v dnf >/dev/null; then
        $sudo dnf install -y -q mesa-vulkan-drivers
    elif command -v pacman >/dev/null; then
        $sudo pacman -Sy --noconfirm --quiet vulkan-swrast
    else
        return 1
    fi
}

# Mesa complains of a missing runtime folder on machines without a login session.
if [ -z "${XDG_RUNTIME_DIR:-}" ]; then
    XDG_RUNTIME_DIR=$(mktemp -d)
    export XDG_RUNTIME_DIR
    trap 'rm -rf "$XDG_RUNTIME_DIR"' EXIT
fi

# With all features everywhere: one build serves all of this.
cargo build --release --all-features --quiet
if ! has_adapter; then
    echo "no GPU adapter here: installing Mesa's software Vulkan driver" >&2
    install_driver >&2 || { echo "could not install one; see README.md, Drivers" >&2; exit 4; }
    has_adapter || { echo "still no adapter after the installation" >&2; exit 4; }
fi
cargo run --release --all-features --quiet -- devices >&2
if [ "${1:-}" = --prepare ]; then exit 0; fi

# Tests that need FER2013 are ignored as well, and not asked for by this.
long_nextest=() long=()
if [ "${FER_GPU_LONG:-}" = 1 ]; then
    long_nextest=(--run-ignored all -E "not test(needs_fer2013)")
    long=(--include-ignored --skip needs_fer2013)
fi
# One test at a time: a software driver uses every core for each, and a GPU's memory is shared.
threads=${FER_GPU_TEST_THREADS:-1}
if cargo nextest --version >/dev/null 2>&1; then
    cargo test --release --all-features --doc --quiet
    cargo nextest run --release --all-features --no-fail-fast --test-threads "$threads" ${long_nextest[@]+"${long_nextest[@]}"} "$@"
else
    cargo test --release --all-features --no-fail-fast "$@" -- --test-threads "$threads" ${long[@]+"${long[@]}"}
fi
