//! The program; what it does is in the library, which is built once for it and for the tests of its parts.

use std::process::ExitCode;

fn main() -> ExitCode {
    conformance::run()
}
