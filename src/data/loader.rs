//! Batches, read by threads ahead of the training step.
//!
//! Thread `t` of `T` reads the batches `t`, `t + T`, `t + 2T` ... into a channel of its own that holds two; the reader
//! takes from the channels in turn. So batches come in order, none is sorted, and about `2 T` wait at most.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Split;
use crate::error::{Error, Result};
use crate::graph::Samples;

/// Finished batches that a thread may have waiting.
const AHEAD: usize = 2;

/// Reads batches in threads; iterate over it. Dropping it stops and joins the threads.
pub struct Loader {
    lanes: Vec<Receiver<Result<Samples>>>,
    threads: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    next: usize,
    batches: usize,
    waited: Duration,
    /// An error found before any thread ran.
    refused: Option<Error>,
}

/// What the threads share.
struct Work {
    split: Arc<dyn Split>,
    order: Vec<u32>,
    batch: usize,
    stop: Arc<AtomicBool>,
}

impl Loader {
    /// Starts `threads` threads (at least one) that read the images `order` of `split`, `batch` at a time; the last
    /// batch may be smaller. A batch size of 0 comes back as the first item's error.
    pub fn start(split: Arc<dyn Split>, order: Vec<u32>, batch: usize, threads: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let batches = order.len().div_ceil(batch.max(1));
        let mut loader = Self {
            lanes: Vec::new(),
            threads: Vec::new(),
            stop: Arc::clone(&stop),
            next: 0,
            batches,
            waited: Duration::ZERO,
            refused: None,
        };
        if batch == 0 {
            loader.refused = Some(Error::usage("a batch of 0 images", "use a batch of at least 1"));
            return loader;
        }
        let lanes = threads.clamp(1, batches.max(1));
        let work = Arc::new(Work { split, order, batch, stop });
        for first in 0..lanes {
            let (sender, receiver) = sync_channel(AHEAD);
            let work = Arc::clone(&work);
            let run = move || work.lane(first, lanes, &sender);
            match std::thread::Builder::new().name(format!("loader-{first}")).spawn(run) {
                Ok(thread) => loader.threads.push(thread),
                Err(error) => {
                    loader.refused = Some(Error::usage(
                        format!("the system refuses loader thread {} of {lanes} ({error})", first + 1),
                        "use fewer loader threads",
                    ));
                    return loader;
                }
            }
            loader.lanes.push(receiver);
        }
        loader
    }

    /// How long `next` has waited for a thread so far: what loading costs the training step.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Batches that are not taken yet.
    pub fn remaining(&self) -> usize {
        self.batches - self.next
    }

    /// Nothing comes after an error.
    fn end(&mut self) {
        self.next = self.batches;
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Iterator for Loader {
    type Item = Result<Samples>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.refused.take() {
            self.end();
            return Some(Err(error));
        }
        if self.next >= self.batches {
            return None;
        }
        let lane = &self.lanes[self.next % self.lanes.len()];
        // Only the blocking receive is timed: a batch that lies ready costs nothing.
        let received = match lane.try_recv() {
            Ok(batch) => Ok(batch),
            Err(TryRecvError::Disconnected) => Err(()),
            Err(TryRecvError::Empty) => {
                let begin = Instant::now();
                let batch = lane.recv();
                self.waited += begin.elapsed();
                batch.map_err(|_| ())
            }
        };
        self.next += 1;
        let item = received.unwrap_or_else(|()| Err(Error::usage("a loader thread ended early", "please report this")));
        if item.is_err() {
            self.end();
        }
        Some(item)
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A thread that waits to send wakes when its channel's other end goes.
        self.lanes.clear();
        for thread in self.threads.drain(..) {
            // A panic was turned into an error inside the thread; there is nothing to learn from the result.
            drop(thread.join());
        }
    }
}

impl Work {
    /// Reads every `step`-th batch from the batch `first` on, until all are sent or nobody listens.
    fn lane(&self, first: usize, step: usize, sender: &SyncSender<Result<Samples>>) {
        for indices in self.order.chunks(self.batch).skip(first).step_by(step) {
            let read = catch_unwind(AssertUnwindSafe(|| self.read(indices)));
            let item = match read {
                Ok(None) => return,
                Ok(Some(item)) => item,
                Err(panic) => Err(Error::usage(
                    format!("a loader thread failed on the images {indices:?}: {}", panic_text(&*panic)),
                    "please report this with the data that it happened on",
                )),
            };
            let failed = item.is_err();
            if sender.send(item).is_err() || failed {
                return;
            }
        }
    }

    /// One batch; `None` when the loader was dropped meanwhile.
    fn read(&self, indices: &[u32]) -> Option<Result<Samples>> {
        read(self.split.as_ref(), indices, || self.stop.load(Ordering::Relaxed)).transpose()
    }
}

/// Images of a split with their targets and weights, in this thread.
///
/// # Errors
/// An image that cannot be read.
pub fn read_now(split: &dyn Split, indices: &[u32]) -> Result<Samples> {
    read(split, indices, || false).map(Option::unwrap_or_default)
}

/// [`read_now`], or nothing once `stop` says so.
fn read(split: &dyn Split, indices: &[u32], stop: impl Fn() -> bool) -> Result<Option<Samples>> {
    let (size, outputs) = (split.input().len(), split.outputs());
    let mut x = vec![0.0; indices.len() * size];
    let mut targets = vec![0.0; indices.len() * outputs];
    let rows = x.chunks_exact_mut(size).zip(targets.chunks_exact_mut(outputs));
    for ((image, target), &index) in rows.zip(indices) {
        if stop() {
            return Ok(None);
        }
        split.read(index as usize, image)?;
        split.target(index as usize, target);
    }
    let weights = indices.iter().map(|&index| split.weight(index as usize)).collect();
    Ok(Some(Samples { x, targets, weights, samples: indices.to_vec() }))
}

/// What a panic said.
fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::data::InputSpec;
    use crate::ops::softmax_cross_entropy::one_hot;
    use std::sync::atomic::AtomicUsize;

    /// Images of two pixels that hold their index; some of them misbehave.
    struct Fake {
        len: usize,
        panics_at: Option<usize>,
        fails_at: Option<usize>,
        delay: Duration,
        reads: AtomicUsize,
    }

    impl Fake {
        fn new(len: usize) -> Self {
            Self { len, panics_at: None, fails_at: None, delay: Duration::ZERO, reads: AtomicUsize::new(0) }
        }
    }

    impl Split for Fake {
        fn len(&self) -> usize {
            self.len
        }
        fn input(&self) -> InputSpec {
            InputSpec::new(1, 2, 1)
        }
        fn outputs(&self) -> usize {
            7
        }
        fn label(&self, index: usize) -> u32 {
            index as u32 % 7
        }
        fn weight(&self, index: usize) -> f32 {
            0.5 + index as f32
        }
        fn name(&self, index: usize) -> String {
            format!("fake {index}")
        }
        fn picture(&self, _index: usize) -> Result<image::DynamicImage> {
            Err(Error::data("fake", "no picture", "numbers"))
        }
        fn read(&self, index: usize, out: &mut [f32]) -> Result<()> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(self.delay);
            assert!(self.panics_at != Some(index), "image {index} is cursed");
            if self.fails_at == Some(index) {
                return Err(Error::data("fake", "a bad image", "a good one"));
            }
            out.fill(index as f32);
            Ok(())
        }
    }

    #[test]
    fn every_image_once_and_in_order() {
        let order: Vec<u32> = (0..103).rev().collect();
        for threads in [0, 1, 3, 200] {
            let batches: Vec<Samples> =
                Loader::start(Arc::new(Fake::new(103)), order.clone(), 10, threads).map(Result::unwrap).collect();
            assert_eq!(batches.len(), 11);
            assert_eq!(batches[10].samples.len(), 3);
            assert_eq!(batches.iter().flat_map(|b| b.samples.clone()).collect::<Vec<_>>(), order);
            for b in &batches {
                let labels: Vec<u32> = b.samples.iter().map(|i| i % 7).collect();
                assert_eq!(b.targets, one_hot(&labels, 7));
                assert_eq!(b.weights, b.samples.iter().map(|i| 0.5 + *i as f32).collect::<Vec<_>>());
                assert_eq!(b.x, b.samples.iter().flat_map(|&i| [i as f32; 2]).collect::<Vec<_>>());
            }
        }
        assert!(Loader::start(Arc::new(Fake::new(0)), vec![], 10, 2).next().is_none());
    }

    #[test]
    fn errors_and_panics_come_in_their_turn_and_end_it() {
        for threads in [1, 3] {
            for panics in [false, true] {
                let mut fake = Fake::new(100);
                *(if panics { &mut fake.panics_at } else { &mut fake.fails_at }) = Some(35);
                let mut loader = Loader::start(Arc::new(fake), (0..100).collect(), 10, threads);
                for _ in 0..3 {
                    loader.next().unwrap().unwrap();
                }
                let text = loader.next().unwrap().unwrap_err().to_string();
                assert!(text.contains(if panics { "image 35 is cursed" } else { "a bad image" }), "{text}");
                assert!(loader.next().is_none());
            }
        }
        let mut loader = Loader::start(Arc::new(Fake::new(5)), vec![0, 9], 0, 1);
        assert!(loader.next().unwrap().unwrap_err().to_string().contains("batch of 0"));
        assert!(loader.next().is_none());
    }

    #[test]
    fn look_ahead_is_bounded_and_a_drop_stops_the_threads() {
        let fake = Arc::new(Fake::new(10_000));
        let mut loader = Loader::start(Arc::clone(&fake) as Arc<dyn Split>, (0..10_000).collect(), 10, 2);
        loader.next().unwrap().unwrap();
        std::thread::sleep(Duration::from_millis(100));
        // Of each thread: two batches waiting, one in its hand; and the batch that was taken.
        assert!(fake.reads.load(Ordering::Relaxed) <= (2 * 3 + 1) * 10);
        drop(loader);
        assert_eq!(Arc::strong_count(&fake), 1, "the threads are gone");
    }

    #[test]
    fn waiting_is_counted() {
        let mut slow = Fake::new(4);
        slow.delay = Duration::from_millis(20);
        let mut loader = Loader::start(Arc::new(slow), (0..4).collect(), 1, 1);
        loader.next().unwrap().unwrap();
        assert!(loader.waited() >= Duration::from_millis(15));
        std::thread::sleep(Duration::from_millis(80));
        let before = loader.waited();
        loader.next().unwrap().unwrap();
        assert_eq!(loader.waited(), before, "a ready batch costs no wait");
    }
}
