//! What the plugin counted, read back: `tools/instruction-counter` has the format.

use anyhow::{Context, Result, ensure};

/// One instruction that was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Executed {
    /// The guest's.
    pub address: u64,
    /// The instruction itself.
    pub word: u32,
    /// How often.
    pub times: u64,
}

/// All that was executed between the two marks of a benchmark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// How often the first mark was passed: 1, unless several benchmarks ran.
    pub passes: u64,
    /// By address.
    pub executed: Vec<Executed>,
}

impl Window {
    /// Reads the plugin's file.
    ///
    /// # Errors
    /// If it is none.
    pub fn read(text: &str) -> Result<Self> {
        let mut lines = text.lines();
        let passes = lines.next().and_then(|line| line.strip_prefix("windows ")?.parse().ok());
        let passes = passes.context("not a file of the plugin's: no line of windows")?;
        let executed = lines.map(|line| executed(line).with_context(|| format!("not a count: '{line}'")));
        let executed = executed.collect::<Result<Vec<_>>>()?;
        ensure!(!executed.is_empty(), "nothing was executed between the marks");
        Ok(Self { passes, executed })
    }

    /// All instructions.
    pub fn total(&self) -> u64 {
        self.executed.iter().map(|executed| executed.times).sum()
    }
}

fn executed(line: &str) -> Option<Executed> {
    let mut words = line.split(' ');
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    let word = u32::from_str_radix(words.next()?, 16).ok()?;
    let times = words.next()?.parse().ok()?;
    words.next().is_none().then_some(Executed { address, word, times })
}

impl Executed {
    /// Whether it is in the upper half of the addresses, which is the kernel's.
    pub const fn is_kernel(&self) -> bool {
        self.address >> 63 == 1
    }

    /// Where it goes, if it is a call of a fixed place (BL) or the last thing that a function does (B): Arm ARM C6.2.
    pub fn target(&self) -> Option<u64> {
        const IMMEDIATE: u32 = 0x03ff_ffff;
        let is_branch = self.word & 0x7c00_0000 == 0x1400_0000;
        // 26 bits with a sign, in instructions.
        let offset = i64::from((self.word & IMMEDIATE) << 6) << 32 >> 36;
        is_branch.then(|| self.address.wrapping_add_signed(offset))
    }
}

#[cfg(test)]
mod tests {
    use super::{Executed, Window};

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let window = Window::read("windows 2\n1000 d503201f 7\nffff800000001000 aa1f03fc 12\n").unwrap();
        assert_eq!((window.passes, window.total()), (2, 19));
        assert_eq!(window.executed[0], Executed { address: 0x1000, word: 0xd503_201f, times: 7 });
        assert_eq!(window.executed.iter().map(Executed::is_kernel).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        for wrong in
            ["", "windows\n", "windows 1\n", "windows 1\n10 20\n", "windows 1\n10 20 30 40\n", "windows 1\nx 0 1\n"]
        {
            assert!(Window::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn branches_of_fixed_length_tell_where_they_go() {
        let target = |word| Executed { address: 0x1000, word, times: 1 }.target();
        // bl .+8, b .-4, bl .-0x1000; ret, blr x0, b.ne .+8
        assert_eq!([0x9400_0002, 0x17ff_ffff, 0x97ff_fc00].map(target), [Some(0x1008), Some(0xffc), Some(0)]);
        assert_eq!([0xd65f_03c0, 0xd63f_0000, 0x5400_0041].map(target), [None; 3]);
    }
}
