//! What an optimizer is: a [`Rule`], which is a file here, a shader and a row of [`RULES`].
//!
//! Three designs were compared on the hardest case to come, a rule with other constants and other state (RMSprop, Lion):
//!
//! * an enum of rules: every rule edits the executors, the checkpoint, the settings and the flags;
//! * a value of a type of its own for each rule behind `Arc<dyn Rule>`: as open, but then no plan's options can be copied, and settings
//!   and flags still need a list of each type's fields;
//! * a rule without state and an array of its constants, which [`Rule::constants`] describes (chosen): settings, flags, help and checks
//!   walk that description, and an [`Optimizer`](super::Optimizer) is a plain value.
//!
//! Clipping, weight decay and the average of several batches are the same for every rule, as in Keras's base class, and stand outside.

use super::{adam, sgd};
use crate::error::{Error, Result, nearest};
use crate::gpu::Kernel;
use std::fmt;

/// Most constants of a rule: the words of a shader's `constants`.
pub const MAX_CONSTANTS: usize = 4;

/// The values of a rule's constants in its order, in f64: `1 - beta` of an f32 0.999 would be 1.3e-5 of itself off. A flag is 0 or 1.
pub type Constants = [f64; MAX_CONSTANTS];

/// A constant of a rule: a key in settings and a flag of `train`.
#[derive(Debug)]
pub struct Constant {
    /// Keras's name, with `-` for `_`.
    pub name: &'static str,
    /// Keras's default.
    pub default: f64,
    /// Which values it may have.
    pub range: Range,
    /// What it is, in a line of the help.
    pub help: &'static str,
}

/// The values of a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// From 0 to below 1.
    Share,
    /// Over 0.
    Positive,
    /// On or off.
    Flag,
}

impl Constant {
    /// Checks a value.
    ///
    /// # Errors
    /// Names constant, value and range.
    pub fn check(&self, value: f64) -> Result<()> {
        let (holds, range) = match self.range {
            Range::Share => ((0.0..1.0).contains(&value), "from 0 to below 1"),
            Range::Positive => (value > 0.0 && value.is_finite(), "a positive number"),
            Range::Flag => (value == 0.0 || value == 1.0, "true or false"),
        };
        if holds {
            return Ok(());
        }
        let (name, default) = (self.name, self.default);
        Err(Error::usage(format!("{name} {value}"), format!("{name} must be {range}, such as {default}, Keras's")))
    }
}

/// How parameters move, once gradients are clipped and parameters have decayed.
pub trait Rule: fmt::Debug + Send + Sync {
    /// The name in settings and checkpoints: Keras's class in lower case, the file here, the shader.
    fn name(&self) -> &'static str;

    /// Keras's default learning rate.
    fn learning_rate(&self) -> f64;

    /// Its constants, at most [`MAX_CONSTANTS`].
    fn constants(&self) -> &'static [Constant];

    /// The tensors that it keeps of each parameter, all 0 at first, by the names that checkpoints have.
    fn slots(&self, constants: &Constants) -> &'static [&'static str];

    /// Its shader's entry point, behind `shaders/common/update.wgsl`; slots are bound after the weights, in their order.
    fn kernel(&self, constants: &Constants) -> Kernel;

    /// `params.constants` of the shader.
    fn uniform(&self, constants: &Constants) -> [f32; MAX_CONSTANTS];

    /// The size of step `t`, counted from 0, at a learning rate: `step.step_size` of the shader.
    fn step_size(&self, constants: &Constants, lr: f64, t: u64) -> f64;

    /// The f64 reference: moves the elements of a parameter by their gradients.
    fn reference(&self, constants: &Constants, step_size: f64, g: &[f64], p: &mut [f64], slots: &mut [&mut [f64]]);
}

/// Every rule.
pub static RULES: [&dyn Rule; 2] = [&adam::Adam, &sgd::Sgd];

/// The rule of a name, in any case.
///
/// # Errors
/// An unknown name, with the nearest and all known ones.
pub fn by_name(name: &str) -> Result<&'static dyn Rule> {
    RULES.into_iter().find(|rule| rule.name().eq_ignore_ascii_case(name)).ok_or_else(|| {
        let known = RULES.map(|rule| rule.name());
        let near = nearest(name, known).map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
        Error::usage(format!("unknown optimizer `{name}`"), format!("{near}{}", known.join(" or ")))
    })
}
