//! Which benchmarks `--only` means. Pure values.

/// Whether `pattern` means `name`: with `*` (any run of characters) or `?` (any one), as a whole; without,
/// as a beginning.
fn matches(pattern: &str, name: &str) -> bool {
    if pattern.contains(['*', '?']) { glob(pattern.as_bytes(), name.as_bytes()) } else { name.starts_with(pattern) }
}

fn glob(pattern: &[u8], name: &[u8]) -> bool {
    // Where to go on from when the part after the last star does not fit: one character further.
    let mut star: Option<(usize, usize)> = None;
    let (mut at, mut of) = (0, 0);
    while of < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, of));
                at += 1;
            }
            Some(wanted) if *wanted == b'?' || *wanted == name[of] => {
                at += 1;
                of += 1;
            }
            _ => {
                let Some((after, from)) = star else {
                    return false;
                };
                star = Some((after, from + 1));
                (at, of) = (after, from + 1);
            }
        }
    }
    pattern[at..].iter().all(|rest| *rest == b'*')
}

/// For each of `names`, whether one of `patterns` means it; without patterns all are meant. A pattern that is
/// a benchmark's whole name means that one alone.
///
/// # Errors
/// The first pattern that means nothing.
pub fn select<'a>(patterns: &'a [String], names: &[String]) -> Result<Vec<bool>, &'a str> {
    let mut chosen = vec![patterns.is_empty(); names.len()];
    for pattern in patterns {
        let exact = names.contains(pattern);
        let means = |name: &String| {
            if exact { name == pattern } else { matches(pattern, name) }
        };
        if pattern.is_empty() || !names.iter().any(means) {
            return Err(pattern);
        }
        for (chosen, name) in chosen.iter_mut().zip(names) {
            *chosen |= means(name);
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::{glob, select};

    fn chosen(patterns: &[&str]) -> Vec<String> {
        let names = ["pipe/latency/1", "pipe/latency/1024", "pipe/chunks/512", "shm/latency/1"].map(str::to_owned);
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        let chosen = select(&patterns, &names).expect("all patterns mean something");
        names.into_iter().zip(chosen).filter_map(|(name, chosen)| chosen.then_some(name)).collect()
    }

    #[test]
    fn no_pattern_means_everything() {
        assert_eq!(chosen(&[]).len(), 4);
    }

    #[test]
    fn a_beginning_means_all_that_begin_so() {
        assert_eq!(chosen(&["pipe/"]), ["pipe/latency/1", "pipe/latency/1024", "pipe/chunks/512"]);
    }

    #[test]
    fn a_whole_name_means_itself_alone() {
        assert_eq!(chosen(&["pipe/latency/1"]), ["pipe/latency/1"]);
    }

    #[test]
    fn a_glob_means_whole_names() {
        assert_eq!(chosen(&["*/latency/1"]), ["pipe/latency/1", "shm/latency/1"]);
        assert_eq!(chosen(&["????/*/512", "shm"]), ["pipe/chunks/512", "shm/latency/1"]);
    }

    #[test]
    fn globs_backtrack() {
        assert!(glob(b"a*b*c", b"a-b-x-b-c"));
        assert!(!glob(b"a*b*c", b"a-b-x-b-d"));
        assert!(glob(b"**", b""));
        assert!(!glob(b"?", b""));
    }

    #[test]
    fn a_pattern_that_means_nothing_is_named() {
        let names = ["pipe/latency/1".to_owned()];
        let patterns = ["pipe".to_owned(), "tube".to_owned()];
        assert_eq!(select(&patterns, &names), Err("tube"));
        assert_eq!(select(&[String::new()], &names), Err(""));
    }
}
