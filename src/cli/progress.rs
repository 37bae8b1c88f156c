//! What a training run shows: a bar on a terminal, one line an epoch elsewhere.

use super::out::say;
use crate::graph::Metrics;
use crate::text::clean;
use crate::train::Observer;
use crate::train::history::EpochRow;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows a run on stderr. On a terminal, a bar of the epoch with its figures; everywhere, a line at each epoch's end.
pub(super) struct Progress {
    bar: ProgressBar,
    epochs: usize,
    /// Whether the network predicts values.
    values: bool,
}

impl Progress {
    /// `epochs` is the number of the last one; `values` says that there is no accuracy.
    pub(super) fn new(epochs: usize, values: bool) -> Self {
        // Hidden by itself where stderr is not a terminal.
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(8));
        let style = ProgressStyle::with_template("{prefix} [{bar:24}] {pos}/{len}  {msg}  ETA {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        Self { bar, epochs, values }
    }
}

impl Observer for Progress {
    fn step(&mut self, epoch: usize, step: usize, steps: usize, so_far: &Metrics, images_per_s: f64) {
        if self.bar.length() != Some(steps as u64) || self.bar.position() + 1 != step as u64 {
            self.bar.reset();
            self.bar.set_length(steps as u64);
            self.bar.set_prefix(format!("epoch {epoch}/{}", self.epochs));
        }
        let n = so_far.count.max(1.0);
        let figures = if so_far.count > 0.0 {
            let accuracy = if self.values { String::new() } else { format!("accuracy {:.4}  ", so_far.correct / n) };
            format!("loss {:.4}  {accuracy}", so_far.loss / n)
        } else {
            String::new()
        };
        self.bar.set_message(format!("{figures}{images_per_s:.0} images/s"));
        self.bar.set_position(step as u64);
    }

    fn phase(&mut self, number: usize, of: usize, about: &str) {
        let line = clean(&format!("phase {number} of {of}: {about}")).into_owned();
        if self.bar.is_hidden() {
            say!("{line}");
        } else {
            self.bar.println(line);
        }
    }

    fn validating(&mut self, _epoch: usize) {
        self.bar.set_message("validating");
    }

    fn epoch(&mut self, row: &EpochRow, best: bool) {
        let figures = match (row.val_rmse(), row.val_ccc()) {
            (Some(rmse), Some(ccc)) => {
                format!("loss {:.4}  |  validation: loss {:.4}  rmse {rmse:.4}  ccc {ccc:.4}", row.loss, row.val_loss)
            }
            _ => format!(
                "loss {:.4}  accuracy {:.4}  mse {:.4}  |  validation: loss {:.4}  accuracy {:.4}  mse {:.4}",
                row.loss, row.accuracy, row.mse, row.val_loss, row.val_accuracy, row.val_mse
            ),
        };
        let line = format!(
            "epoch {:>3}/{}  {figures}  |  {:.0} images/s  {:.1} s{}",
            row.epoch,
            self.epochs,
            row.images_per_s,
            row.seconds,
            if best { "  best" } else { "" },
        );
        if self.bar.is_hidden() {
            say!("{line}");
        } else {
            self.bar.println(line);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
