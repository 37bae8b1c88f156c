//! Stopping on signals: Ctrl-C, a termination, a hang-up.

use super::out::say;
use crate::error::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that the first Ctrl-C, termination signal or hang-up sets; the second ends the program at once. A signal that was
/// ignored when the program started stays ignored: `nohup fer-gpu train &` outlives its terminal.
///
/// # Errors
/// A system that refuses to listen.
pub(super) fn stop_on_signal() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    listen(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        say!("stopping after this step; once more to stop at once");
    })?;
    Ok(stop)
}

fn refused(e: impl std::fmt::Display) -> Error {
    Error::usage(format!("cannot listen for Ctrl-C: {e}"), "is another handler installed?")
}

#[cfg(unix)]
fn listen(mut heard: impl FnMut() + Send + 'static) -> Result<()> {
    let wanted = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP].into_iter().filter(|signal| !is_ignored(*signal));
    let mut signals = signal_hook::iterator::Signals::new(wanted).map_err(refused)?;
    let wait = move || signals.forever().for_each(|_| heard());
    std::thread::Builder::new().name("signals".into()).spawn(wait).map_err(refused)?;
    Ok(())
}

#[cfg(not(unix))]
fn listen(heard: impl FnMut() + Send + 'static) -> Result<()> {
    ctrlc::set_handler(heard).map_err(refused)
}

/// Whether whoever started the program had it ignore a signal.
#[cfg(unix)]
#[expect(unsafe_code, reason = "no safe interface asks for the present action of a signal")]
fn is_ignored(signal: libc::c_int) -> bool {
    // SAFETY: `sigaction` with no new action writes the present one to `action`, which is valid for it and is plain data.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0 && action.sa_sigaction == libc::SIG_IGN
    }
}
