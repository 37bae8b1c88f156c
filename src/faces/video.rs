//! Frames of videos, from the program `ffmpeg` if the system has it: as PPM pictures through a pipe, one at a time.

use crate::data::MAX_SIDE;
use crate::error::{Error, Result};
use image::{DynamicImage, RgbImage};
use std::ffi::OsString;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

/// What a video file is called.
const EXTENSIONS: [&str; 5] = ["mp4", "mov", "avi", "mkv", "webm"];
/// Bytes of ffmpeg's messages that are kept.
const KEPT: usize = 4096;
/// What a file called like a video must be.
const EXPECTED: &str = "a video that ffmpeg can read";

/// Whether a file is called like a video.
pub fn is_video(path: &Path) -> bool {
    path.extension().is_some_and(|e| EXTENSIONS.iter().any(|known| e.eq_ignore_ascii_case(known)))
}

/// The frames of a video, in order, at a steady rate. Dropping it stops ffmpeg.
pub struct Frames {
    path: PathBuf,
    child: Child,
    pipe: BufReader<ChildStdout>,
    messages: Option<JoinHandle<String>>,
    fps: f64,
    next: u64,
    ended: bool,
}

impl Frames {
    /// Starts ffmpeg on a file, for `fps` frames a second.
    ///
    /// # Errors
    /// No file, no ffmpeg, or a system that cannot start it. What ffmpeg has to say against the file comes with the frames.
    pub fn open(path: &Path, fps: f64) -> Result<Self> {
        let about = std::fs::metadata(path).map_err(Error::io("read", path))?;
        if !about.is_file() {
            return Err(Error::data(path, "not a file", EXPECTED));
        }
        // `file:` keeps names with a colon from being taken for another protocol.
        let mut name = OsString::from("file:");
        name.push(path);
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-v", "error", "-i"]).arg(name);
        command.args(["-an", "-sn", "-vf", &format!("fps={fps}"), "-f", "image2pipe", "-c:v", "ppm", "-"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| not_started(path, e))?;
        let (Some(pipe), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(Error::data(path, "ffmpeg was started without pipes", EXPECTED));
        };
        let messages = Some(std::thread::spawn(move || last_words(errors)));
        Ok(Self { path: path.into(), child, pipe: BufReader::new(pipe), messages, fps, next: 0, ended: false })
    }

    /// The next frame; none at the end.
    fn read(&mut self) -> Result<Option<(f64, DynamicImage)>> {
        let [width, height] = match self.header() {
            Ok(Some(size)) => size,
            Ok(None) => return self.end(false).map(|()| None),
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => return self.end(true).map(|()| None),
            Err(e) => return Err(Error::io("read frames of", &self.path)(e)),
        };
        if width.max(height) > MAX_SIDE || width.min(height) == 0 {
            let what = format!("frames of {width} x {height} pixels");
            return Err(Error::data(&self.path, what, format!("1 to {MAX_SIDE} pixels a side")));
        }
        let mut bytes = vec![0; width as usize * height as usize * 3];
        match self.pipe.read_exact(&mut bytes) {
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => return self.end(true).map(|()| None),
            result => result.map_err(Error::io("read frames of", &self.path))?,
        }
        let time = self.next as f64 / self.fps;
        self.next += 1;
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

    /// Waits for ffmpeg and reports what it had against the file; `cut` where a frame is not whole.
    fn end(&mut self, cut: bool) -> Result<()> {
        let status = self.child.wait().map_err(Error::io("wait for ffmpeg on", &self.path))?;
        let words = self.messages.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        let last = last_line(&words);
        if !status.success() {
            return Err(Error::data(&self.path, format!("ffmpeg cannot read it ({last})"), EXPECTED));
        }
        if cut {
            return Err(Error::data(&self.path, "ffmpeg stopped in the middle of a frame", EXPECTED));
        }
        if self.next == 0 {
            return Err(Error::data(&self.path, format!("ffmpeg found no frame in it ({last})"), EXPECTED));
        }
        Ok(())
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

/// The last line of what ffmpeg said.
pub(super) fn last_line(words: &str) -> &str {
    words.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("no message")
}

/// The end of what ffmpeg says; all is read, so that it never waits.
pub(super) fn last_words(mut errors: ChildStderr) -> String {
    let (mut kept, mut part) = (Vec::new(), [0; 1024]);
    while let Ok(n @ 1..) = errors.read(&mut part) {
        kept.extend_from_slice(&part[..n]);
        let over = kept.len().saturating_sub(KEPT);
        kept.drain(..over);
    }
    String::from_utf8_lossy(&kept).into_owned()
}
