#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fer_gpu_fuzz::run("image", data));
