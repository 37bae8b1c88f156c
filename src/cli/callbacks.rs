//! Flags of `train` that say how parameters are moved, and what happens at the end of an epoch.

use crate::error::Result;
use crate::optim::Kind;
use crate::train::{AUTO, Config, ReduceOnPlateau};
use clap::Args;

/// Optimizer, schedule and callbacks. Tables of a settings file (`[schedule]`, `[early-stopping]`, `[reduce-on-plateau]`) say more.
#[derive(Clone, Debug, Args)]
pub(super) struct CallbackArgs {
    /// Average the gradients of so many batches for one update: as one batch of all their images, but for batch norm [default: 1]
    #[arg(long, hide_short_help = true, value_name = "N")]
    accumulate: Option<usize>,
    /// The decay of all trained parameters; with adam Keras's AdamW, whose own is 0.004 [default: 0]
    #[arg(long, hide_short_help = true, value_name = "X", allow_hyphen_values = true)]
    weight_decay: Option<f64>,
    /// Scale gradients so that their norm, all together, is no more than this: Keras's global_clipnorm, PyTorch's clip_grad_norm_
    #[arg(long, hide_short_help = true, value_name = "NORM", allow_hyphen_values = true)]
    clip_norm: Option<f64>,
    /// Keep each gradient within plus and minus this: Keras's clipvalue
    #[arg(long, hide_short_help = true, value_name = "LIMIT", allow_hyphen_values = true)]
    clip_value: Option<f64>,
    /// The learning rate's course: none, step (a tenth at half and at three quarters), exponential or cosine (to 0) [default: none]
    #[arg(long, value_name = "NAME")]
    schedule: Option<Kind>,
    /// Raise the learning rate from 0 over the first N steps [default: 0]
    #[arg(long, hide_short_help = true, value_name = "N")]
    warmup: Option<u64>,
    /// Multiply the learning rate by 0.1 after 10 epochs without a lower validation loss
    #[arg(long, hide_short_help = true)]
    reduce_on_plateau: bool,
    /// Stop after this time, such as 2h, 1h30m or 90s, as Ctrl-C does, and score the best epoch
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
    /// Keep a checkpoint every N epochs, beside the best and the last [default: 0, none]
    #[arg(long, hide_short_help = true, value_name = "N")]
    save_every: Option<usize>,
}

impl CallbackArgs {
    /// Puts the flags that are given into the settings.
    pub(super) fn apply(&self, c: &mut Config) {
        c.accumulate = self.accumulate.unwrap_or(c.accumulate);
        c.weight_decay = self.weight_decay.unwrap_or(c.weight_decay);
        c.clip_norm = self.clip_norm.or(c.clip_norm);
        c.clip_value = self.clip_value.or(c.clip_value);
        c.schedule.kind = self.schedule.unwrap_or(c.schedule.kind);
        c.schedule.warmup_steps = self.warmup.unwrap_or(c.schedule.warmup_steps);
        if self.reduce_on_plateau {
            c.reduce_on_plateau.get_or_insert_with(ReduceOnPlateau::default);
        }
        c.time = self.time.clone().or(c.time.take());
        c.save_every = self.save_every.unwrap_or(c.save_every);
    }
}

/// `--batch`: a number of images, or `auto`.
pub(super) fn parse_batch(text: &str) -> Result<usize, String> {
    match text.parse() {
        _ if text == "auto" => Ok(AUTO),
        Ok(0) => Err("--batch 0: a batch must be at least 1, or auto".into()),
        Ok(n) => Ok(n),
        Err(_) => Err("a number of images, or auto, is expected".into()),
    }
}
