//! The guides, one for each subject, as Markdown files beside this one. Each begins with an example that a test runs
//! (`tests/cli/guide.rs`).
#[doc = include_str!("training.md")]
pub mod training {}
#[doc = include_str!("data.md")]
pub mod data {}
#[doc = include_str!("networks.md")]
pub mod networks {}
#[doc = include_str!("search.md")]
pub mod search {}
#[doc = include_str!("evaluation.md")]
pub mod evaluation {}
#[doc = include_str!("explain.md")]
pub mod explain {}
#[doc = include_str!("interop.md")]
pub mod interop {}
#[doc = include_str!("verification.md")]
pub mod verification {}
#[doc = include_str!("portability.md")]
pub mod portability {}
#[doc = include_str!("performance.md")]
pub mod performance {}
#[doc = include_str!("results.md")]
pub mod results {}
