//! Frames of videos, from the program `ffmpeg` if the system has it: as PPM pictures through a pipe, one at a time, each with its
//! own time.

use super::ffmpeg::Messages;
use crate::data::MAX_SIDE;
use crate::error::{Error, Result};
use image::codecs::gif::GifDecoder;
use image::{AnimationDecoder, DynamicImage, ImageDecoder, Limits, RgbImage};
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// What a video file is called.
const EXTENSIONS: [&str; 16] =
    ["mp4", "m4v", "mov", "avi", "mkv", "webm", "3gp", "3g2", "mpg", "mpeg", "wmv", "asf", "flv", "ogv", "vob", "mxf"];
/// What a file of MPEG's transport stream is called; those of TypeScript have two of the names.
const STREAMS: [&str; 3] = ["ts", "mts", "m2ts"];
/// What a file called like a video must be.
const EXPECTED: &str = "a video that ffmpeg can read";
/// Half of the step between two times of containers that count milliseconds, and a little more, in seconds.
const ROUNDED: f64 = 0.0006;
/// Bytes that may be taken to see whether a GIF file is animated.
const MOST_BYTES: u64 = 256 << 20;

/// Whether a file is called like a video, and where images or programs have such names, whether its content is one.
pub fn is_video(path: &Path) -> bool {
    let Some(extension) = path.extension() else { return false };
    let called = |names: &[&str]| names.iter().any(|known| extension.eq_ignore_ascii_case(known));
    called(&EXTENSIONS) || called(&STREAMS) && is_stream(path) || called(&["gif"]) && is_animated(path)
}

/// Whether packets of a transport stream begin in the first bytes.
fn is_stream(path: &Path) -> bool {
    const SYNC: u8 = 0x47;
    let mut start = [0; 5];
    let read = open(path).is_some_and(|mut file| file.read_exact(&mut start).is_ok());
    read && (start[0] == SYNC || start[4] == SYNC)
}

/// Whether a GIF file has a second picture.
fn is_animated(path: &Path) -> bool {
    let Some(mut decoder) = open(path).and_then(|file| GifDecoder::new(file).ok()) else { return false };
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_BYTES);
    decoder.set_limits(limits).is_ok() && decoder.into_frames().take(2).filter(|frame| frame.is_ok()).count() == 2
}

/// A regular file: others could keep the reader waiting.
fn open(path: &Path) -> Option<BufReader<File>> {
    std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    File::open(path).ok().map(BufReader::new)
}

/// Which of the times 0, 1 / `fps`, 2 / `fps` .. after the `first` frame's a frame at `time` is looked at for, in seconds: the last
/// that is not after it.
pub fn sample(time: f64, first: f64, fps: f64) -> u64 {
    ((time - first + ROUNDED) * fps).floor().max(0.0) as u64
}

/// Frames of a video, in order: the first, and then at most `fps` a second, the first at or after each multiple of 1 / `fps`. Each
/// comes once, with its own time. Dropping it stops ffmpeg.
pub struct Frames {
    path: PathBuf,
    fps: f64,
    child: Child,
    pipe: BufReader<ChildStdout>,
    messages: Messages,
    /// The option by which ffmpeg hands on every frame that the filters leave.
    sync: &'static str,
    count: u64,
    time: f64,
    note: Option<String>,
    ended: bool,
}

/// In ffmpeg since 5.1.
const SYNC: &str = "-fps_mode";
/// In ffmpeg before.
const OLD_SYNC: &str = "-vsync";

impl Frames {
    /// Starts ffmpeg on a file, for at most `fps` frames a second.
    ///
    /// # Errors
    /// No file, no ffmpeg, or a system that cannot start it. What ffmpeg has to say against the file comes with the frames.
    pub fn open(path: &Path, fps: f64) -> Result<Self> {
        let about = std::fs::metadata(path).map_err(Error::io("read", path))?;
        if !about.is_file() {
            return Err(Error::data(path, "not a file", EXPECTED));
        }
        Self::start(path, fps, SYNC)
    }

    fn start(path: &Path, fps: f64, sync: &'static str) -> Result<Self> {
        // `file:` keeps names with a colon from being taken for another protocol.
        let mut name = OsString::from("file:");
        name.push(path);
        // The same as `sample`, so that each time has one frame.
        let nth = |t: &str| format!("floor(({t}-start_t+{ROUNDED})*{fps})");
        let (this, before) = (nth("t"), nth("prev_selected_t"));
        let filters = format!("select='isnan(prev_selected_t)+gt({this},{before})',showinfo,format=rgb24");
        let mut command = Command::new("ffmpeg");
        command.args(["-hide_banner", "-nostdin", "-nostats", "-v", "level+info", "-i"]).arg(name);
        command.args(["-an", "-sn", "-dn", "-vf", &filters, sync, "passthrough"]);
        command.args(["-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "-"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| not_started(path, e))?;
        let (Some(pipe), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(Error::data(path, "ffmpeg was started without pipes", EXPECTED));
        };
        let (pipe, messages) = (BufReader::new(pipe), Messages::read(errors));
        Ok(Self { path: path.into(), fps, child, pipe, messages, sync, count: 0, time: 0.0, note: None, ended: false })
    }

    /// After the last frame: what ffmpeg complained of, and how far the video could be read; none if it did not complain.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// The next frame; none at the end.
    fn read(&mut self) -> Result<Option<(f64, DynamicImage)>> {
        let [width, height] = match self.header() {
            Ok(Some(size)) => size,
            Ok(None) => return self.end(false),
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => return self.end(true),
            Err(e) => return Err(Error::io("read frames of", &self.path)(e)),
        };
        if width.max(height) > MAX_SIDE || width.min(height) == 0 {
            let what = format!("frames of {width} x {height} pixels");
            return Err(Error::data(&self.path, what, format!("1 to {MAX_SIDE} pixels a side")));
        }
        let mut bytes = vec![0; width as usize * height as usize * 3];
        match self.pipe.read_exact(&mut bytes) {
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => return self.end(true),
            result => result.map_err(Error::io("read frames of", &self.path))?,
        }
        self.count += 1;
        let Some(time) = self.messages.time() else {
            let what = format!("ffmpeg names no time for frame {}", self.count);
            return Err(Error::data(&self.path, what, "a video whose frames have times"));
        };
        self.time = time;
        let frame = RgbImage::from_raw(width, height, bytes).expect("the buffer was made for this size");
        Ok(Some((time, DynamicImage::ImageRgb8(frame))))
    }

    /// Width and height of the next frame (`P6 width height 255`, between single white space); none at the end.
    fn header(&mut self) -> std::io::Result<Option<[u32; 2]>> {
        let mut words: Vec<String> = Vec::new();
        let mut word = String::new();
        while words.len() < 4 {
            let mut byte = [0];
            match self.pipe.read_exact(&mut byte) {
                Err(e) if e.kind() == ErrorKind::UnexpectedEof && words.is_empty() && word.is_empty() => {
                    return Ok(None);
                }
                result => result?,
            }
            if byte[0].is_ascii_whitespace() {
                words.push(std::mem::take(&mut word));
            } else {
                word.push(byte[0].into());
            }
            // What is no picture may be too short for a whole header.
            if word.len() > 10 || words.first().is_some_and(|first| first != "P6") {
                break;
            }
        }
        let size = |i: usize| words.get(i).and_then(|w| w.parse().ok());
        match (words.first().map(String::as_str), size(1), size(2), size(3)) {
            (Some("P6"), Some(width), Some(height), Some(255)) => Ok(Some([width, height])),
            _ => Err(std::io::Error::new(ErrorKind::InvalidData, "ffmpeg wrote something that is no PPM picture")),
        }
    }

    /// Waits for ffmpeg and reports what it had against the file; `cut` where a frame is not whole. An older ffmpeg begins anew.
    fn end(&mut self, cut: bool) -> Result<Option<(f64, DynamicImage)>> {
        let status = self.child.wait().map_err(Error::io("wait for ffmpeg on", &self.path))?;
        let complaints = self.messages.complaints();
        let last = complaints.last();
        if self.count == 0 && self.sync == SYNC && complaints.of_option(&SYNC[1..]) {
            *self = Self::start(&self.path, self.fps, OLD_SYNC)?;
            return self.read();
        }
        if !status.success() && (self.count == 0 || status.code().is_none()) {
            return Err(Error::data(&self.path, format!("ffmpeg cannot read it ({last})"), EXPECTED));
        }
        if cut {
            return Err(Error::data(&self.path, "ffmpeg stopped in the middle of a frame", EXPECTED));
        }
        if self.count == 0 {
            return Err(Error::data(&self.path, format!("ffmpeg found no frame in it ({last})"), EXPECTED));
        }
        if let Some(what) = complaints.error().or((!status.success()).then_some(last)) {
            let (count, time) = (self.count, self.time);
            self.note = Some(format!("ffmpeg reports `{what}`; {count} frames were read, the last at {time:.2} s"));
        }
        Ok(None)
    }
}

impl Iterator for Frames {
    /// Seconds from the beginning, and the picture.
    type Item = Result<(f64, DynamicImage)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.read().transpose();
        self.ended = !matches!(item, Some(Ok(_)));
        item
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left to be told.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn not_started(path: &Path, error: std::io::Error) -> Error {
    let what = format!("{} is a video, and videos are read by the program ffmpeg, ", path.display());
    let hint = "apt-get install ffmpeg, brew install ffmpeg or winget install ffmpeg; or extract images and name those";
    match error.kind() {
        ErrorKind::NotFound => Error::usage(what + "which is not installed (not in PATH)", hint),
        _ => Error::usage(format!("{what}which cannot be started ({error})"), hint),
    }
}

#[cfg(test)]
#[path = "video_tests.rs"]
mod tests;
