#!/usr/bin/env bash
# Runs `fer-gpu verify` and the tests on every driver of this machine, one after the other, and prints a table: each Vulkan driver
# by its description file, llvmpipe also as on a CPU with AVX-512 (subgroups of 16), and OpenGL where it offers compute shaders.
# `tools/test.sh --all-drivers` calls it; arguments go to cargo test (such as `--test ops`). Exit code 1 if anything failed.
#
# SwiftShader is found where Debian's chromium-common puts it; other descriptions: FER_GPU_ICDS=FILE.json:FILE.json.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${XDG_RUNTIME_DIR:-}" ]; then
    XDG_RUNTIME_DIR=$(mktemp -d)
    export XDG_RUNTIME_DIR
    trap 'rm -rf "$XDG_RUNTIME_DIR"' EXIT
fi
logs=target/drivers
mkdir -p "$logs"
cargo build --release --all-features --quiet
program=target/release/fer-gpu
table="" failed=0

row() { table+=$(printf '%-22s %-44s %-22s %-26s %7s' "$@")$'\n'; }

# A row for the adapter that the environment and `with` leave: NAME BACKEND [argument of cargo test]...
with=(env)
run_on() {
    local name=$1 backend=$2 log="$logs/$1.log" start=$SECONDS adapter verify tests passed lost
    shift 2
    if ! adapter=$("${with[@]}" $program devices --backend "$backend" --json 2>"$log" | grep -m1 '"name"' | cut -d'"' -f4); then
        row "$name" "no adapter" - - -
        return
    fi
    echo "$name: $adapter; log in $log" >&2
    verify=$("${with[@]}" $program verify --backend "$backend" 2>>"$log" | tee -a "$log" | tail -1 | sed 's/ on .*//') || failed=1
    "${with[@]}" cargo test --release --all-features --no-fail-fast "$@" -- --test-threads 1 >>"$log" 2>&1 || failed=1
    tests=$(grep -a '^test result:' "$log" | sed 's/.*: [a-zA-Z]*\. \([0-9]*\) passed; \([0-9]*\) failed.*/\1 \2/')
    passed=$(awk '{ n += $1 } END { print n + 0 }' <<<"$tests")
    lost=$(awk '{ n += $2 } END { print n + 0 }' <<<"$tests")
    [ "$passed" -gt 0 ] || { failed=1 && lost="did not run, $lost"; }
    row "$name" "${adapter:0:44}" "$verify" "$passed passed, $lost failed" $((SECONDS - start))
}

shopt -s nullglob
IFS=: read -ra more <<<"${FER_GPU_ICDS:-}"
for icd in /usr/share/vulkan/icd.d/*.json /etc/vulkan/icd.d/*.json \
    /usr/lib/chromium/vk_swiftshader_icd.json /usr/lib64/chromium-browser/vk_swiftshader_icd.json "${more[@]}"; do
    [ -f "$icd" ] || { row "$(basename "$icd" .json)" "no such file" - - - && failed=1 && continue; }
    # Without OpenGL, so that the driver in question is the only one.
    export VK_DRIVER_FILES=$icd VK_ICD_FILENAMES=$icd __EGL_VENDOR_LIBRARY_FILENAMES=/nonexistent
    run_on "$(basename "$icd" .json)" vulkan "$@"
    if [[ $icd == *lvp_icd* ]]; then
        # A cache of its own: Mesa's does not tell widths apart.
        with=(env LP_NATIVE_VECTOR_WIDTH=512 MESA_SHADER_CACHE_DIR="$PWD/$logs/cache-512")
        run_on "$(basename "$icd" .json)-512" vulkan "$@"
        with=(env)
    fi
done
unset __EGL_VENDOR_LIBRARY_FILENAMES
export VK_DRIVER_FILES=/nonexistent VK_ICD_FILENAMES=/nonexistent
run_on opengl gl "$@"

echo
printf '%-22s %-44s %-22s %-26s %7s\n' driver adapter verify tests seconds
printf '%s' "$table"
exit $failed
