//! Sizes: with suffixes for people, and from the arguments of `dd`.

/// A size with at most four characters: `512`, `1.5K`, `20M`.
pub fn human_readable(bytes: u64) -> String {
    const UNITS: &[&str] = &["K", "M", "G", "T", "P", "E"];
    if bytes < 1024 {
        return bytes.to_string();
    }
    // The remainder below the unit in tenths, rounded up as `ls` does.
    let (mut whole, mut scale, mut unit) = (bytes, 1_u64, None);
    for name in UNITS {
        if whole < 1024 {
            break;
        }
        whole /= 1024;
        scale = scale.saturating_mul(1024);
        unit = Some(*name);
    }
    let tenths = (u128::from(bytes) * 10).div_ceil(u128::from(scale));
    let unit = unit.unwrap_or_default();
    if tenths < 100 {
        format!("{}.{}{unit}", tenths / 10, tenths % 10)
    } else {
        format!("{}{unit}", tenths.div_ceil(10))
    }
}

/// A number with a suffix of `dd`: `c`, `w`, `b`, `k`/`K`, `M`, `G`.
pub fn with_suffix(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "" | "c" => 1,
        "w" => 2,
        "b" => 512,
        "k" | "K" | "KiB" => 1 << 10,
        "kB" | "KB" => 1000,
        "M" | "MiB" => 1 << 20,
        "MB" => 1_000_000,
        "G" | "GiB" => 1 << 30,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let table = [
            (0, "0"),
            (1023, "1023"),
            (1024, "1.0K"),
            (1536, "1.5K"),
            (10 << 10, "10K"),
            (20 << 20, "20M"),
            (1 << 40, "1.0T"),
        ];
        for (bytes, expected) in table {
            assert_eq!(human_readable(bytes), expected);
        }
        assert_eq!(human_readable(u64::MAX), "16E");
    }

    #[test]
    fn suffixes_multiply() {
        assert_eq!(with_suffix("4k"), Some(4096));
        assert_eq!(with_suffix("2b"), Some(1024));
        assert_eq!(with_suffix("1M"), Some(1 << 20));
        assert_eq!(with_suffix("x"), None);
        assert_eq!(with_suffix("99999999999999999999"), None);
    }
}
