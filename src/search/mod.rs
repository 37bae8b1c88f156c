//! Random search over settings (Bergstra and Bengio 2012), with hopeless trials stopped early by asynchronous successive halving
//! (Jamieson and Talwalkar 2016; Li et al. 2020), by any number of processes at once.
//!
//! A search is a file ([`Search`]): settings, the space that some of them are drawn from, a number of trials. Its folder ([`Folder`])
//! holds all of its state, so that any process may join or leave at any time:
//!
//! | file | what |
//! |---|---|
//! | `search.toml` | the search, with the version of the folder's form |
//! | `models/` | the network, if it is one in TOML |
//! | `results.csv` | one row for each trial at each rung that it reached ([`Row`]) |
//! | `search.svg` | the same as a picture |
//! | `trials/N` | the run folder of trial N |
//! | `trials/N.lock` | locked by the process that works on the trial; the system unlocks it when the process ends, however it ends |
//! | `best` | the best trial, trained anew |
//! | `lock` | locked by who reads or writes `results.csv` |
//!
//! What a file names is there before it: the network in `models/` before `search.toml`, a trial's checkpoint before its row in
//! `results.csv`, the rows before `search.svg`. A process that ends in between leaves work that the next one finds: a trial that
//! has reached its rung and has no row is recorded, `search.svg` is drawn anew, and `best` is done when its `metrics.json`, the
//! last file of a run, is there.
//!
//! Trial N's settings depend on the search's seed and N alone. [`work`] takes what is to be done next until nothing is left.

mod folder;
mod halving;
mod results;
mod space;
mod spec;
mod trial;
mod work;

pub use folder::{Folder, VERSION};
pub use halving::{Halving, Next, best, next, order};
pub use results::{Row, Status};
pub use space::{Domain, Space};
pub use spec::Search;
pub use work::{Ended, Watch, work};
