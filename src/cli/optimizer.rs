//! `--optimizer` and a flag for each constant of each rule: both walk [`RULES`].

use crate::error::Result;
use crate::optim::{Constant, RULES, Range};
use crate::train::Config;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

/// The optimizer that the flags name, and its constants that they set.
#[derive(Clone, Debug, Default)]
pub(super) struct OptimizerArgs {
    name: Option<String>,
    constants: Vec<(&'static str, f64)>,
}

/// Every constant once, by name, with its default and the rules that have it.
fn constants() -> Vec<(&'static Constant, Vec<&'static str>)> {
    let mut all: Vec<(&'static Constant, Vec<&'static str>)> = Vec::new();
    for rule in RULES {
        for constant in rule.constants() {
            match all.iter_mut().find(|(known, _)| known.name == constant.name) {
                Some((_, rules)) => rules.push(rule.name()),
                None => all.push((constant, vec![rule.name()])),
            }
        }
    }
    all
}

impl Args for OptimizerArgs {
    fn augment_args(command: Command) -> Command {
        let names = RULES.map(|rule| rule.name());
        let name = Arg::new("optimizer").long("optimizer").value_name("NAME");
        let command = command.arg(name.help(format!(
            "How parameters are updated: {} [default: {}]",
            names.join(" or "),
            names[0]
        )));
        constants().into_iter().fold(command, |command, (constant, rules)| {
            let Constant { name, default, range, help } = constant;
            let arg = Arg::new(*name).long(*name).hide_short_help(true);
            let rules = rules.join(", ");
            command.arg(if *range == Range::Flag {
                arg.action(ArgAction::SetTrue).help(format!("Of {rules}: {help}"))
            } else {
                let arg = arg.value_name("X").value_parser(clap::value_parser!(f64)).allow_hyphen_values(true);
                arg.help(format!("Of {rules}: {help} [default: {default}]"))
            })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for OptimizerArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |constant: &Constant| match constant.range {
            Range::Flag => matches.get_flag(constant.name).then_some(1.0),
            Range::Share | Range::Positive => matches.get_one::<f64>(constant.name).copied(),
        };
        let constants = constants().into_iter().filter_map(|(c, _)| Some((c.name, given(c)?))).collect();
        Ok(Self { name: matches.get_one::<String>("optimizer").cloned(), constants })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl OptimizerArgs {
    /// Puts the flags that are given into the settings; a rule's own learning rate comes with its name.
    ///
    /// # Errors
    /// An unknown optimizer, a constant that it does not have, or one out of its range.
    pub(super) fn apply(&self, config: &mut Config) -> Result<()> {
        if let Some(name) = &self.name {
            let before = config.optimizer.clone();
            config.optimizer.choose(name)?;
            if before != config.optimizer {
                config.lr = config.optimizer.rule().learning_rate();
            }
        }
        for (name, value) in &self.constants {
            config.optimizer.set(name, *value)?;
        }
        Ok(())
    }
}
