//! Writing a video through the program ffmpeg, a frame at a time.

use super::ffmpeg::{last_line, last_words};
use crate::error::{Error, Result};
use image::RgbImage;
use std::ffi::OsString;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::JoinHandle;

/// What is expected of the ffmpeg at hand.
const EXPECTED: &str = "an ffmpeg that can encode it";

/// A video that is being written. Dropped unfinished, it leaves nothing.
pub struct Recording {
    path: PathBuf,
    /// Where it is until it is whole.
    partial: PathBuf,
    child: Child,
    pipe: Option<BufWriter<ChildStdin>>,
    messages: Option<JoinHandle<String>>,
}

impl Recording {
    /// Starts ffmpeg for a file of `fps` frames a second, encoded as it does for the file's ending.
    ///
    /// # Errors
    /// A path without a name; no ffmpeg, or a system that cannot start it.
    pub fn create(path: &Path, fps: f64) -> Result<Self> {
        let Some(name) = path.file_name() else {
            return Err(Error::usage(format!("{} is no name for a video", path.display()), ""));
        };
        // The ending stays last: ffmpeg goes by it.
        let mut hidden = OsString::from(".partial-");
        hidden.push(name);
        let partial = path.with_file_name(hidden);
        let mut target = OsString::from("file:");
        target.push(&partial);
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-y", "-f", "image2pipe", "-framerate", &fps.to_string(), "-c:v", "ppm"]);
        // Most players want this format, which halves the colours' rows and columns.
        command.args(["-i", "pipe:0", "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p"]).arg(target);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| {
            Error::usage(format!("ffmpeg, which writes {}, cannot be started ({e})", path.display()), "install ffmpeg")
        })?;
        let (Some(pipe), Some(errors)) = (child.stdin.take(), child.stderr.take()) else {
            return Err(Error::data(path, "ffmpeg was started without pipes", EXPECTED));
        };
        let messages = Some(std::thread::spawn(move || last_words(errors)));
        Ok(Self { path: path.into(), partial, child, pipe: Some(BufWriter::new(pipe)), messages })
    }

    /// Adds a frame.
    ///
    /// # Errors
    /// What ffmpeg has to say if it takes no more.
    pub fn push(&mut self, frame: &RgbImage) -> Result<()> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        let written = write!(pipe, "P6\n{} {}\n255\n", frame.width(), frame.height());
        match written.and_then(|()| pipe.write_all(frame.as_raw())) {
            Ok(()) => Ok(()),
            Err(_) => Err(self.refused()),
        }
    }

    /// Ends the video and gives it its name.
    ///
    /// # Errors
    /// What ffmpeg has to say against it; a folder that cannot be written.
    pub fn finish(mut self) -> Result<()> {
        let flushed = self.pipe.take().map_or(Ok(()), |mut pipe| pipe.flush());
        let status = self.child.wait().map_err(Error::io("wait for ffmpeg on", &self.path))?;
        if flushed.is_err() || !status.success() {
            return Err(self.refused());
        }
        crate::formats::atomic::rename(&self.partial, &self.path).map_err(Error::io("write", &self.path))
    }

    /// The error with ffmpeg's reason.
    fn refused(&mut self) -> Error {
        drop(self.pipe.take());
        // It has ended or does so now that nothing more comes; what it says is all that is of interest.
        let _ = self.child.wait();
        let words = self.messages.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        Error::data(&self.path, format!("ffmpeg cannot write it ({})", last_line(&words)), EXPECTED)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // After `finish` none of this is there any more; before, nothing is to be left.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.partial);
    }
}
