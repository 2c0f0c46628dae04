//! A set of CPUs as the files of /proc and /sys show it: `0-3,6`.
//!
//! Owns nothing. Specification: cpuset(7), "List format".

use core::fmt::{self, Display, Formatter};

/// The CPUs whose bits are set, lowest first; neighbours are shown by the first and the last of them. Nothing for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuList(pub u64);

impl Display for CpuList {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let mut left = self.0;
        let mut separator = "";
        while left != 0 {
            let first = left.trailing_zeros();
            let end = first + (left >> first).trailing_ones();
            match end - 1 {
                last if last == first => write!(formatter, "{separator}{first}")?,
                last => write!(formatter, "{separator}{first}-{last}")?,
            }
            separator = ",";
            left &= u64::MAX.checked_shl(end).unwrap_or(0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;

    #[test]
    fn neighbours_are_a_range_and_others_are_divided_by_commas() {
        for (cpus, text) in [
            (0, ""),
            (0b1, "0"),
            (0b11, "0-1"),
            (0b1101, "0,2-3"),
            (0b1111_0110, "1-2,4-7"),
            (1 << 63, "63"),
            (u64::MAX, "0-63"),
        ] {
            assert_eq!(CpuList(cpus).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn the_list_names_each_cpu_of_the_set_once_and_no_other(cpus: u64) {
            let mut found = 0_u64;
            for range in CpuList(cpus).to_string().split(',').filter(|range| !range.is_empty()) {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                for cpu in first.parse::<u32>().unwrap()..=last.parse().unwrap() {
                    prop_assert_eq!(found >> cpu, 0, "{} comes after a higher one", cpu);
                    found |= 1 << cpu;
                }
            }
            prop_assert_eq!(found, cpus);
        }
    }
}
