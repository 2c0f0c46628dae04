//! File modes: as text, and `chmod`.

use crate::identity::each;
use crate::invocation::{Failure, Invocation, Outcome};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A mode as `ls -l` shows it.
pub fn mode_text(mode: u32) -> String {
    let kind = match mode & libc::S_IFMT {
        libc::S_IFDIR => 'd',
        libc::S_IFLNK => 'l',
        libc::S_IFCHR => 'c',
        libc::S_IFBLK => 'b',
        libc::S_IFIFO => 'p',
        libc::S_IFSOCK => 's',
        _ => '-',
    };
    let mut text = String::from(kind);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// `chmod [-R] mode file…`, with the mode in octal or as `[ugoa][+-=][rwxXst],…`.
pub fn chmod(invocation: &Invocation) -> Outcome {
    // A mode such as `-x` looks like an option, so the arguments are read by hand.
    let recursive = invocation.arguments.first().is_some_and(|argument| argument == "-R");
    let rest = &invocation.arguments[usize::from(recursive)..];
    let [mode, files @ ..] = rest else {
        return Err(Failure::usage("usage: chmod [-R] mode file..."));
    };
    let mode = mode.to_str().filter(|_| !files.is_empty());
    let mode = mode.ok_or_else(|| Failure::usage("usage: chmod [-R] mode file..."))?;
    changed(mode, 0o644, false).ok_or_else(|| Failure::usage(format!("invalid mode '{mode}'")))?;
    for path in files {
        each(Path::new(path), recursive, &mut |path| {
            let result = fs::metadata(path).and_then(|data| {
                let new = changed(mode, data.permissions().mode() & 0o7777, data.is_dir());
                fs::set_permissions(path, fs::Permissions::from_mode(new.unwrap_or(0)))
            });
            if let Err(error) = result {
                invocation.report(path, error);
            }
        });
    }
    Ok(invocation.status())
}

/// `old` changed by the symbolic or octal `mode`; `None` if that is invalid.
pub fn changed(mode: &str, old: u32, is_directory: bool) -> Option<u32> {
    if mode.starts_with(|first: char| first.is_ascii_digit()) {
        return u32::from_str_radix(mode, 8).ok().filter(|mode| *mode <= 0o7777);
    }
    mode.split(',').try_fold(old, |mode, clause| apply_clause(clause, mode, is_directory))
}

fn apply_clause(clause: &str, mut mode: u32, is_directory: bool) -> Option<u32> {
    let at = clause.find(['+', '-', '='])?;
    let mut who = 0;
    for letter in clause[..at].chars() {
        who |= match letter {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o1007,
            'a' => 0o7777,
            _ => return None,
        };
    }
    let who = if who == 0 { 0o7777 } else { who };
    let mut letters = clause[at..].chars().peekable();
    while let Some(operator) = letters.next() {
        let mut bits = 0;
        while let Some(letter) = letters.next_if(|letter| !"+-=".contains(*letter)) {
            bits |= match letter {
                'r' => 0o444,
                'w' => 0o222,
                'x' => 0o111,
                'X' if is_directory || mode & 0o111 != 0 => 0o111,
                'X' => 0,
                's' => 0o6000,
                't' => 0o1000,
                _ => return None,
            };
        }
        match operator {
            '+' => mode |= bits & who,
            '-' => mode &= !(bits & who),
            _ => mode = mode & !(who & 0o777) | bits & who,
        }
    }
    Some(mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_shown_as_by_ls() {
        assert_eq!(mode_text(libc::S_IFDIR | 0o1777), "drwxrwxrwt");
        assert_eq!(mode_text(libc::S_IFREG | 0o4755), "-rwsr-xr-x");
        assert_eq!(mode_text(libc::S_IFCHR | 0o620), "crw--w----");
        assert_eq!(mode_text(libc::S_IFREG | 0o2644), "-rw-r-Sr--");
    }

    #[test]
    fn symbolic_modes_change_what_they_name() {
        let table = [
            ("755", 0o644, Some(0o755)),
            ("+x", 0o644, Some(0o755)),
            ("u+x,go-r", 0o644, Some(0o700)),
            ("a=r", 0o777, Some(0o444)),
            ("g=u", 0o777, None),
            ("u+s", 0o755, Some(0o4755)),
            ("+X", 0o644, Some(0o644)),
            ("99", 0o644, None),
            ("z+x", 0o644, None),
        ];
        for (mode, old, expected) in table {
            assert_eq!(changed(mode, old, false), expected, "{mode}");
        }
        assert_eq!(changed("+X", 0o644, true), Some(0o755));
    }
}
