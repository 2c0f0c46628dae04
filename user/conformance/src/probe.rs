//! What this program does when a test executes it as a new image: `conformance --probe NAME …`.
//!
//! Owns no state, takes no locks. Each probe prints what a fresh process image sees, one fact a line, for the test to compare.

use crate::check::{Failure, failed};
use crate::sys::{checked, fd, path, process, signal, terminal};
use std::process::ExitCode;
use std::time::Duration;

/// The first argument that makes the program a probe.
pub const FLAG: &str = "--probe";

/// Runs the probe that the arguments name; `None` if they name none.
pub fn run_if_asked(arguments: &[String]) -> Option<ExitCode> {
    let [flag, name, rest @ ..] = arguments else {
        return None;
    };
    if flag != FLAG {
        return None;
    }
    Some(match run(name, rest) {
        Ok(code) => code,
        Err(Failure::Failed(reason) | Failure::Skipped(reason)) => {
            eprintln!("probe {name}: {reason}");
            ExitCode::from(99)
        }
    })
}

fn run(name: &str, rest: &[String]) -> Result<ExitCode, Failure> {
    match name {
        "exit" => return Ok(ExitCode::from(number::<u8>(rest.first())?)),
        "arguments" => std::env::args().for_each(|argument| println!("{argument}")),
        "environment" => std::env::vars().for_each(|(name, value)| println!("{name}={value}")),
        "descriptors" => crate::suites::bad_descriptors::print_table()?,
        "poll-masks" => crate::suites::poll_masks::print_table()?,
        "pid" => println!("{}", process::getpid()),
        "place" => println!("{}\n{:o}", path::getcwd(4096)?, path::umask(0)),
        "open" => {
            for word in rest {
                println!("{}", fd::fcntl(number(Some(word))?, libc::F_GETFD, 0).is_ok());
            }
        }
        "read" => {
            println!("{}", String::from_utf8_lossy(&fd::read_up_to(number(rest.first())?, 4096)?));
        }
        "signal" => {
            for word in rest {
                let signal = number(Some(word))?;
                let (handler, _) = signal::disposition(signal)?;
                let blocked = signal::mask()?.contains(&signal);
                let pending = signal::pending()?.contains(&signal);
                println!("handler {handler} blocked {blocked} pending {pending}");
            }
        }
        "await" => drop(signal::sigtimedwait(&[number(rest.first())?], Duration::from_secs(10))?),
        "await-nothing" => {
            let taken = signal::sigtimedwait(&[number(rest.first())?], Duration::from_millis(30));
            if taken.map_err(|error| error.errno) != Err(libc::EAGAIN) {
                return Err(failed(format!("what came: {taken:?}")));
            }
        }
        "auxiliary" => {
            for word in rest {
                println!("{}", auxiliary(number(Some(word))?));
            }
        }
        "random-bytes" => println!("{}", random_bytes()),
        "window" => {
            let (rows, columns) = terminal::window(libc::STDIN_FILENO)?;
            println!("{rows} {columns}");
        }
        "mapped" => println!("{}", mapped(number(rest.first())?)?),
        "thread" => {
            // The old image said through the descriptor which thread it had besides the main one.
            let bytes = fd::read_up_to(number(rest.first())?, 4)?;
            let thread = i32::from_ne_bytes(bytes.try_into().map_err(|_| failed("no thread number came"))?);
            println!("{}", process::tgkill(process::getpid(), thread, 0).is_ok());
        }
        _ => return Err(failed("there is no such probe")),
    }
    Ok(ExitCode::SUCCESS)
}

fn number<T: std::str::FromStr>(word: Option<&String>) -> Result<T, Failure> {
    word.and_then(|word| word.parse().ok()).ok_or_else(|| failed("a number is missing"))
}

/// An entry of the auxiliary vector; 0 if it is absent.
fn auxiliary(kind: libc::c_ulong) -> libc::c_ulong {
    // SAFETY: reads the vector that the kernel put on the stack.
    unsafe { libc::getauxval(kind) }
}

/// The sixteen bytes that AT_RANDOM leads to, in hexadecimal.
fn random_bytes() -> String {
    let address = usize::try_from(auxiliary(libc::AT_RANDOM)).unwrap_or(0);
    let pointer = std::ptr::with_exposed_provenance::<[u8; 16]>(address);
    // SAFETY: getauxval(3): AT_RANDOM is the address of sixteen bytes; a null pointer means that the kernel gave none.
    let bytes = unsafe { pointer.as_ref() };
    bytes.map(|bytes| bytes.map(|byte| format!("{byte:02x}")).concat()).unwrap_or_default()
}

/// Whether the eight bytes at `address` can be read and are all 0x5a, asked of the kernel so that nothing traps.
fn mapped(address: usize) -> Result<bool, Failure> {
    let pipe = fd::Pipe::new()?;
    let pointer = std::ptr::with_exposed_provenance::<libc::c_void>(address);
    // SAFETY: the kernel reads what it can and reports what it cannot.
    let count = unsafe { libc::write(pipe.write, pointer, 8) };
    Ok(checked("write", count).is_ok() && fd::read_up_to(pipe.read, 8)? == [0x5a; 8])
}

/// The path of this program, to execute it again.
///
/// # Errors
/// If /proc/self/exe cannot tell and the first argument is no path.
pub fn program() -> Result<String, Failure> {
    if let Ok(path) = std::env::current_exe() {
        return Ok(path.to_string_lossy().into_owned());
    }
    let first = std::env::args().next().filter(|name| name.contains('/'));
    first.ok_or_else(|| failed("neither /proc/self/exe nor argv[0] tells where this program lies"))
}
