//! `ulimit`: the limits of the shell and of what it starts.
//! Specification: POSIX.1-2024, utility `ulimit`; the letters beyond it are those of dash and bash.

use super::{shown, usage};
use crate::shell::{Run, Shell};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, rlim_t, setrlimit};

/// A limit as the shell's users see it.
struct Limit {
    letter: u8,
    resource: Resource,
    /// What it bounds, with the unit.
    meaning: &'static str,
    /// How many of the kernel's units make one.
    unit: rlim_t,
}

const fn limit(letter: u8, resource: Resource, meaning: &'static str, unit: rlim_t) -> Limit {
    Limit { letter, resource, meaning, unit }
}

/// In the order that `-a` shows.
const LIMITS: [Limit; 13] = [
    limit(b't', Resource::RLIMIT_CPU, "CPU time (seconds)", 1),
    limit(b'f', Resource::RLIMIT_FSIZE, "file size (512 bytes)", 512),
    limit(b'd', Resource::RLIMIT_DATA, "data (KiB)", 1024),
    limit(b's', Resource::RLIMIT_STACK, "stack (KiB)", 1024),
    limit(b'c', Resource::RLIMIT_CORE, "core file (512 bytes)", 512),
    limit(b'm', Resource::RLIMIT_RSS, "resident memory (KiB)", 1024),
    limit(b'l', Resource::RLIMIT_MEMLOCK, "locked memory (KiB)", 1024),
    limit(b'u', Resource::RLIMIT_NPROC, "processes", 1),
    limit(b'n', Resource::RLIMIT_NOFILE, "open files", 1),
    limit(b'v', Resource::RLIMIT_AS, "address space (KiB)", 1024),
    limit(b'w', Resource::RLIMIT_LOCKS, "file locks", 1),
    limit(b'e', Resource::RLIMIT_NICE, "nice value", 1),
    limit(b'r', Resource::RLIMIT_RTPRIO, "real-time priority", 1),
];

/// Which of a limit's two values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// What holds now.
    Soft,
    /// How far the soft one may be raised.
    Hard,
    /// Both are set, the soft one is shown.
    Unsaid,
}

/// What is asked for.
struct Request<'a> {
    side: Side,
    /// One limit, or all of them.
    limit: Option<&'static Limit>,
    /// What it is to be, if it is to change.
    value: Option<&'a [u8]>,
}

/// `ulimit [-H|-S] [-a | -cdeflmnprstuvw [number|unlimited]]`: file size, if no letter says which.
pub fn ulimit(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    let request = match parsed(&arguments[1..]) {
        Ok(request) => request,
        Err(complaint) => return usage(shell, &format!("ulimit: {complaint}")),
    };
    let done = match (request.limit, request.value) {
        (None, _) => LIMITS.iter().map(|limit| told(limit, request.side)).collect(),
        (Some(limit), None) => show(limit, request.side).map(|value| format!("{value}\n")),
        (Some(limit), Some(value)) => set(limit, request.side, value).map(|()| String::new()),
    };
    match done {
        Ok(text) => Ok(shell.print(text.as_bytes())),
        Err(complaint) => usage(shell, &format!("ulimit: {complaint}")),
    }
}

/// The options and the operand.
fn parsed(words: &[Vec<u8>]) -> Result<Request<'_>, String> {
    let mut side = Side::Unsaid;
    let mut limit = LIMITS.iter().find(|limit| limit.letter == b'f');
    let mut at = 0;
    while let Some([b'-', letters @ ..]) = words.get(at).map(Vec::as_slice) {
        at += 1;
        if letters == b"-" {
            break;
        }
        for letter in letters {
            match letter {
                b'H' => side = Side::Hard,
                b'S' => side = Side::Soft,
                b'a' => limit = None,
                // dash's letter for processes.
                b'p' => limit = of(b'u'),
                letter => {
                    let known = of(*letter).ok_or_else(|| format!("Illegal option -{}", letter.escape_ascii()))?;
                    limit = Some(known);
                }
            }
        }
    }
    match &words[at..] {
        [] => Ok(Request { side, limit, value: None }),
        [value] if limit.is_some() => Ok(Request { side, limit, value: Some(value) }),
        _ => Err("too many arguments".to_owned()),
    }
}

fn of(letter: u8) -> Option<&'static Limit> {
    LIMITS.iter().find(|limit| limit.letter == letter)
}

/// A line of `-a`.
fn told(limit: &Limit, side: Side) -> Result<String, String> {
    let meaning = format!("-{} {}", char::from(limit.letter), limit.meaning);
    show(limit, side).map(|value| format!("{meaning:<26} {value}\n"))
}

fn show(limit: &Limit, side: Side) -> Result<String, String> {
    let (soft, hard) = getrlimit(limit.resource).map_err(|error| error.desc().to_owned())?;
    let value = if side == Side::Hard { hard } else { soft };
    Ok(if value == RLIM_INFINITY { "unlimited".to_owned() } else { (value / limit.unit).to_string() })
}

fn set(limit: &Limit, side: Side, text: &[u8]) -> Result<(), String> {
    let wrong = || format!("{}: bad number", shown(text));
    let value = if text == b"unlimited" {
        RLIM_INFINITY
    } else {
        let is_decimal = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
        let number = str::from_utf8(text).ok().filter(|_| is_decimal).and_then(|text| text.parse::<rlim_t>().ok());
        number.and_then(|number| number.checked_mul(limit.unit)).ok_or_else(wrong)?
    };
    let (soft, hard) = getrlimit(limit.resource).map_err(|error| error.desc().to_owned())?;
    let (soft, hard) = match side {
        Side::Soft => (value, hard),
        Side::Hard => (soft, value),
        Side::Unsaid => (value, value),
    };
    setrlimit(limit.resource, soft, hard).map_err(|error| format!("error setting limit: {}", error.desc()))
}

#[cfg(test)]
mod tests {
    use super::{LIMITS, Side, parsed};

    fn words(text: &str) -> Vec<Vec<u8>> {
        text.split_whitespace().map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn the_last_letter_says_which_and_none_means_file_size() {
        for (text, letter) in [("", b'f'), ("-n", b'n'), ("-u", b'u'), ("-p 5", b'u'), ("-Hn 7", b'n'), ("-S -t", b't')]
        {
            let words = words(text);
            let request = parsed(&words).expect("valid");
            assert_eq!(request.limit.map(|limit| limit.letter), Some(letter), "{text}");
        }
        assert!(parsed(&words("-a")).expect("valid").limit.is_none());
    }

    #[test]
    fn sides_and_values_are_told_apart() {
        let words = words("-H -n -- 64");
        let request = parsed(&words).expect("valid");
        assert!(request.side == Side::Hard && request.value == Some(b"64"));
    }

    #[test]
    fn wrong_words_are_refused() {
        for (text, complaint) in
            [("-z", "Illegal option -z"), ("-n -5", "Illegal option -5"), ("-t 1 2", "too many"), ("-a 5", "too many")]
        {
            let words = words(text);
            let found = parsed(&words).err().unwrap_or_default();
            assert!(found.starts_with(complaint), "{text}: {found}");
        }
    }

    #[test]
    fn no_letter_has_two_meanings() {
        let mut letters: Vec<u8> = LIMITS.iter().map(|limit| limit.letter).collect();
        letters.sort_unstable();
        letters.dedup();
        assert_eq!(letters.len(), LIMITS.len());
    }
}
