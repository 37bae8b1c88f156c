//! What the program `ffmpeg` writes to stderr: its complaints, and the times of the frames that it hands over.

use std::io::{BufRead, BufReader, Read};
use std::process::ChildStderr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Bytes of ffmpeg's messages that are kept.
const KEPT: usize = 4096;
/// Bytes of one line that are read at a time; ffmpeg's own are shorter.
const LINE: u64 = 1 << 16;
/// The filter `showinfo` writes a frame's line before the frame leaves ffmpeg, so that the wait ends at once.
const WAIT: Duration = Duration::from_secs(10);

/// The stderr of an ffmpeg that runs with `-v level+info`, read by a thread of its own, so that ffmpeg never waits.
pub(super) struct Messages {
    thread: Option<JoinHandle<Complaints>>,
    times: Receiver<Option<f64>>,
}

/// What ffmpeg complained of.
#[derive(Default)]
pub(super) struct Complaints {
    /// The end of all that is no information.
    words: String,
    /// Whether something in it is marked as an error.
    errors: bool,
}

impl Messages {
    /// Starts the thread.
    pub(super) fn read(errors: ChildStderr) -> Self {
        let (sender, times) = channel();
        let thread = std::thread::spawn(move || listen(BufReader::new(errors), &sender));
        Self { thread: Some(thread), times }
    }

    /// Seconds from the beginning of the file to the next frame that passed the filter `showinfo`; none if ffmpeg names no time.
    pub(super) fn time(&self) -> Option<f64> {
        self.times.recv_timeout(WAIT).ok().flatten()
    }

    /// What there was, once ffmpeg has ended.
    pub(super) fn complaints(&mut self) -> Complaints {
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Complaints {
    /// The last of them.
    pub(super) fn last(&self) -> &str {
        last_line(&self.words)
    }

    /// The last of them, if one is an error.
    pub(super) fn error(&self) -> Option<&str> {
        self.errors.then(|| self.last())
    }

    /// Whether ffmpeg does not know an option.
    pub(super) fn of_option(&self, name: &str) -> bool {
        self.words.contains("Unrecognized option") && self.words.contains(name)
    }
}

/// Sends the times of frames, and keeps what is no information.
fn listen(mut from: impl BufRead, times: &Sender<Option<f64>>) -> Complaints {
    let (mut kept, mut base, mut line) = (Complaints::default(), None, Vec::new());
    while let Ok(1..) = from.by_ref().take(LINE).read_until(b'\n', &mut line) {
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        if let Some(told) = text.strip_prefix("[Parsed_showinfo").and_then(|rest| rest.split_once("] [info] ")) {
            match showinfo(told.1) {
                Some(Told::Base(of)) => base = Some(of),
                // Nobody waits for it any more where it cannot be sent.
                Some(Told::Frame(pts)) => drop(times.send(pts.zip(base).map(|(pts, (n, d))| pts as f64 * n / d))),
                None => {}
            }
        } else if let Some((_, what)) = text.split_once("[error] ").or_else(|| text.split_once("[fatal] ")) {
            kept.errors = true;
            kept.push(what);
        } else if !["[info]", "[warning]", "[verbose]"].iter().any(|level| text.contains(level)) {
            kept.push(text);
        }
        line.clear();
    }
    kept
}

impl Complaints {
    fn push(&mut self, line: &str) {
        self.words += line;
        self.words.push('\n');
        let over = self.words.len().saturating_sub(KEPT);
        let over = (over..).find(|at| self.words.is_char_boundary(*at)).unwrap_or_default();
        self.words.drain(..over);
    }
}

/// What a line of the filter `showinfo` tells.
#[derive(Debug, PartialEq)]
enum Told {
    /// Seconds of one unit of time, as a fraction.
    Base((f64, f64)),
    /// A frame's time in these units, if it has one.
    Frame(Option<i64>),
}

/// `config in time_base: 1/1000, ...`, or `n:   0 pts:    500 pts_time:0.5 ...`; of a frame the exact `pts`, for `pts_time` has six digits.
fn showinfo(line: &str) -> Option<Told> {
    if let Some(rest) = line.strip_prefix("config in time_base:") {
        let (n, d) = rest.split(',').next()?.trim().split_once('/')?;
        return Some(Told::Base((n.parse().ok()?, d.parse().ok().filter(|d| *d > 0.0)?)));
    }
    let (_, rest) = line.strip_prefix("n:")?.split_once(" pts:")?;
    Some(Told::Frame(rest.split_whitespace().next()?.parse().ok()))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of ffmpeg 5.1 and 7.1.
    #[test]
    fn times_and_complaints_are_told_apart() {
        let text = "[info] Input #0, mov, from 'n: 9 pts: 7':
[Parsed_showinfo_1 @ 0x5] [info] config in time_base: 1001/30000, frame_rate: 30000/1001
[Parsed_showinfo_1 @ 0x5] [info] n:   0 pts:      0 pts_time:0       pos:      586 fmt:gray
[Parsed_showinfo_1 @ 0x5] [info] color_range:pc color_space:unknown
[h264 @ 0x9] [warning] some warning
[Parsed_showinfo_1 @ 0x5] [info] n:   1 pts:  30000 pts_time:1001    duration:      1 fmt:gray
[Parsed_showinfo_1 @ 0x5] [info] n:   2 pts: NOPTS pts_time:NOPTS
[matroska,webm @ 0x6] [error] File ended prematurely at pos. 868 (0x364)
";
        let (sender, times) = channel();
        let kept = listen(text.as_bytes(), &sender);
        assert_eq!(times.try_iter().collect::<Vec<_>>(), [Some(0.0), Some(1001.0), None]);
        assert_eq!(kept.error(), Some("File ended prematurely at pos. 868 (0x364)"));
        let kept = listen("ffmpeg: cannot load libx\n".as_bytes(), &sender);
        assert_eq!((kept.error(), kept.last()), (None, "ffmpeg: cannot load libx"));
        let kept = listen("[error] Unrecognized option 'fps_mode'.\n".as_bytes(), &sender);
        assert!(kept.of_option("fps_mode") && !kept.of_option("vsync"));
        let kept = listen("é\n".repeat(4000).as_bytes(), &sender);
        assert!(kept.words.len() <= KEPT && kept.words.ends_with("é\n"));
    }
}
