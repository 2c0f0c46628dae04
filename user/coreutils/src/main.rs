//! `coreutils`: many small programs in one, called by the name of a link or as first argument.

use nix::sys::signal::{SigHandler, Signal, signal};
use std::process::ExitCode;

fn main() -> ExitCode {
    // SAFETY: no handler is installed; std's "ignore" is replaced by the default, so that a closed
    // pipe ends the program as everybody expects.
    let reset = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    debug_assert!(reset.is_ok());
    ExitCode::from(coreutils::table::dispatch(std::env::args_os().collect()))
}
