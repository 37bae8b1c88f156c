#!/usr/bin/env bash
# Training steps of a small network under the Khronos validation layer, with its checks of synchronization on: fails if the layer
# reports anything (1), or if it did not run (2). Arguments: another command, such as `cargo test --release --test ops workgroup`.
#
# The layer is found where Debian's vulkan-validationlayers or chromium-common put it, or in FER_GPU_VALIDATION_LAYER=FILE.so.
set -euo pipefail
cd "$(dirname "$0")/.."

layer=${FER_GPU_VALIDATION_LAYER:-}
for file in /usr/lib/*-linux-gnu/libVkLayer_khronos_validation.so /usr/lib/chromium/libVkLayer_khronos_validation.so \
    /usr/lib64/libVkLayer_khronos_validation.so; do
    [ -n "$layer" ] || { [ -f "$file" ] && layer=$file; }
done
[ -f "$layer" ] || { echo "no validation layer: apt-get install vulkan-validationlayers, or name its .so" >&2; exit 2; }

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Chromium brings the layer without its description for the loader.
cat >"$folder/VkLayer_khronos_validation.json" <<END
{"file_format_version": "1.2.0", "layer": {"name": "VK_LAYER_KHRONOS_validation", "type": "GLOBAL",
 "library_path": "$(realpath "$layer")", "api_version": "1.3.0", "implementation_version": "1", "description": "validation"}}
END
# Layers before 1.3.270 or so know checks of synchronization by the list of `enables` only, later ones by either name.
# The one message left out is a fault of naga, not of these kernels: it lays out arrays in workgroup memory explicitly
# (https://github.com/gfx-rs/wgpu/issues/7696). wgpu leaves it out as well.
cat >"$folder/vk_layer_settings.txt" <<END
khronos_validation.debug_action = VK_DBG_LAYER_ACTION_LOG_MSG
khronos_validation.report_flags = error,warn,info
khronos_validation.log_filename = $folder/log
khronos_validation.validate_sync = true
khronos_validation.enables = VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT
khronos_validation.message_id_filter = VUID-StandaloneSpirv-None-10684,WARNING-cache-file-error,VALIDATION-SETTINGS
END
if [ $# = 0 ]; then
    cargo build --release --all-features --quiet
    set -- target/release/fer-gpu bench --backend vulkan --model fer7-small --batch 8 --steps 1
fi
export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-$folder}
VK_LAYER_PATH=$folder VK_LAYER_SETTINGS_PATH=$folder VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation \
    "$@"

# Its report of what it checks, worded in one of two ways, shows that it ran.
active='CURRENT-VALIDATION-ENABLED|Khronos Validation Layer Active'
grep -qE "$active" "$folder/log" 2>/dev/null || { echo "the validation layer did not run" >&2; exit 2; }
if grep -E "Validation (Error|Warning|Performance)" "$folder/log" >&2; then
    cat "$folder/log" >&2
    exit 1
fi
grep -qiE "SYNCHRONIZATION" "$folder/log" || { echo "the validation layer did not check synchronization" >&2; exit 2; }
echo "the validation layer reports nothing ($(realpath "$layer"))"
