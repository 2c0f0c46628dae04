//! What `/dev/trace` tells: the events of the kernel's trace points, as records of [`RECORD_BYTES`] bytes. Values only.
//!
//! A stream is whole records of six little-endian words; the first is the [`Header`]. Those of one CPU come in the order in which
//! they happened; between CPUs [`Record::ticks`] tells. Addresses of kernel objects only tell them apart.

/// Begins every recording.
pub const MAGIC: u64 = u64::from_le_bytes(*b"postrace");
/// The version of all that is said here. A reader that knows another refuses the stream.
pub const VERSION: u32 = 1;
/// Words of a record.
pub const RECORD_WORDS: usize = 6;
/// Bytes of a record, and of the header.
pub const RECORD_BYTES: usize = RECORD_WORDS * size_of::<u64>();

/// What write(2) on the device takes to begin recording.
pub const START: u8 = b'1';
/// What write(2) on the device takes to end recording; what has been recorded can still be read.
pub const STOP: u8 = b'0';

/// Makes [`Kind`] of a table: number, name in Rust, name in output, names of the arguments.
macro_rules! kinds {
    ($($(#[$doc:meta])* $number:literal $kind:ident $name:literal [$($argument:literal),*];)*) => {
        /// What happened.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u16)]
        pub enum Kind {
            $($(#[$doc])* $kind = $number,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The kind with this number.
            pub const fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$kind),)*
                    _ => None,
                }
            }

            /// Its name in output for people and programs.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// What its arguments are, from the first.
            pub const fn arguments(self) -> &'static [&'static str] {
                match self {
                    $(Self::$kind => &[$($argument),*],)*
                }
            }
        }
    };
}

kinds! {
    /// Never in a recording: with it the kernel finds out what a point costs that is on.
    0 Calibration "calibration" [];
    /// A program has made a system call: its number, and the first two of its arguments.
    1 SyscallEnter "syscall_enter" ["number", "first", "second"];
    /// A system call returns; a negative number is an error.
    2 SyscallExit "syscall_exit" ["result"];
    /// A program's access to `address` faulted; `syndrome` is ESR_EL1.
    3 Fault "fault" ["address", "syndrome"];
    /// An interrupt.
    4 Interrupt "interrupt" [];
    /// A read found nothing in a pipe, at a look without the lock.
    5 PipeEmpty "pipe_empty" ["pipe"];
    /// Bytes were taken from a pipe. `indices` are head (the low half) and tail of its ring afterwards, counted in slots.
    6 PipeRead "pipe_read" ["pipe", "bytes", "indices"];
    /// Bytes were put into a pipe. If nobody waits for them, this is all.
    7 PipeWrite "pipe_write" ["pipe", "bytes", "indices"];
    /// As `PipeEmpty`, of a ring of /dev/hello.
    8 HelloEmpty "hello_empty" ["ring"];
    /// As `PipeRead`.
    9 HelloRead "hello_read" ["ring", "bytes", "indices"];
    /// As `PipeWrite`.
    10 HelloWrite "hello_write" ["ring", "bytes", "indices"];
    /// The thread stands in a wait queue from now on.
    11 Enqueue "enqueue" ["queue"];
    /// The thread `woken` is to go on: it sleeps, or is about to.
    12 Wake "wake" ["woken"];
    /// The thread is about to sleep.
    13 Sleep "sleep" [];
    /// The thread leaves its CPU, which the thread `next` has from then on; 0 is the CPU's idle task, or another of the kernel's.
    14 Switch "switch" ["next"];
    /// The thread has its CPU (again).
    15 Run "run" [];
    /// Bytes are about to be copied from a program's memory.
    16 CopyIn "copy_in" ["bytes", "address"];
    /// Bytes are about to be copied to a program's memory.
    17 CopyOut "copy_out" ["bytes", "address"];
    /// So many events of this CPU found no room and were lost: after the record of this CPU that stands before this one, and
    /// before the one that stands after it.
    18 Lost "lost" ["events"];
    /// A write found no room in a pipe.
    19 PipeFull "pipe_full" ["pipe"];
    /// As `PipeFull`, of a ring of /dev/hello.
    20 HelloFull "hello_full" ["ring"];
}

/// What [`Record::count`] counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Counter {
    /// Nothing better than time: it is [`Record::ticks`] once more, and holds what tracing costs.
    Ticks = 0,
    /// Instructions executed, those of tracing itself left out (PMU event 0x08). Under `-icount` with several CPUs, those of all
    /// CPUs together.
    Instructions = 1,
}

/// The first record of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// What is counted.
    pub counter: Counter,
    /// CPUs of the machine.
    pub cpus: u32,
    /// Ticks a second.
    pub ticks_hz: u64,
}

/// Why a stream cannot be understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// It does not begin as a recording does.
    Magic,
    /// It is of another version.
    Version(u32),
    /// A record has a kind, or the header a counter, that this version does not know.
    Number(u32),
}

impl core::fmt::Display for Malformed {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Magic => out.write_str("not a recording"),
            Self::Version(version) => write!(out, "a recording of version {version}; this reads version {VERSION}"),
            Self::Number(number) => write!(out, "a record with the unknown number {number}"),
        }
    }
}

impl core::error::Error for Malformed {}

impl Header {
    /// As it is in the stream.
    pub const fn to_words(self) -> [u64; RECORD_WORDS] {
        let form = VERSION as u64 | (RECORD_BYTES as u64) << 32;
        [MAGIC, form, self.counter as u64, self.cpus as u64, self.ticks_hz, 0]
    }

    /// From the stream.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn from_words(words: [u64; RECORD_WORDS]) -> Result<Self, Malformed> {
        let [magic, form, counter, cpus, ticks_hz, _] = words;
        if magic != MAGIC {
            return Err(Malformed::Magic);
        }
        if low(form) != VERSION {
            return Err(Malformed::Version(low(form)));
        }
        let counter = match low(counter) {
            0 => Counter::Ticks,
            1 => Counter::Instructions,
            other => return Err(Malformed::Number(other)),
        };
        Ok(Self { counter, cpus: low(cpus), ticks_hz })
    }
}

/// One event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// The machine's clock (CNTVCT_EL0), the same on all CPUs.
    pub ticks: u64,
    /// Since recording began on this CPU, as [`Header::counter`] says.
    pub count: u64,
    /// The thread in whose name it happened; 0: one of the kernel's own.
    pub tid: u32,
    /// Where.
    pub cpu: u16,
    /// What.
    pub kind: Kind,
    /// As [`Kind::arguments`] names them; the others are 0.
    pub arguments: [u64; 3],
}

impl Record {
    /// As it is in the stream.
    pub const fn to_words(self) -> [u64; RECORD_WORDS] {
        let what = self.tid as u64 | (self.kind as u64) << 32 | (self.cpu as u64) << 48;
        let [first, second, third] = self.arguments;
        [self.ticks, self.count, what, first, second, third]
    }

    /// From the stream.
    ///
    /// # Errors
    /// [`Malformed::Number`].
    pub fn from_words(words: [u64; RECORD_WORDS]) -> Result<Self, Malformed> {
        let [ticks, count, what, first, second, third] = words;
        let number = (what >> 32 & 0xffff) as u16;
        let kind = Kind::from_number(number).ok_or(Malformed::Number(u32::from(number)))?;
        Ok(Self { ticks, count, tid: low(what), cpu: (what >> 48) as u16, kind, arguments: [first, second, third] })
    }
}

/// The words of a record, from its bytes.
pub fn words_of(bytes: &[u8; RECORD_BYTES]) -> [u64; RECORD_WORDS] {
    let mut words = [0; RECORD_WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

/// The bytes of a record.
pub fn bytes_of(words: [u64; RECORD_WORDS]) -> [u8; RECORD_BYTES] {
    let mut bytes = [0; RECORD_BYTES];
    for (to, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
        *to = word.to_le_bytes();
    }
    bytes
}

/// Slots in use of a ring with these indices, as [`Kind::PipeRead`] and its like tell them.
pub const fn used_slots(indices: u64) -> u32 {
    low(indices).wrapping_sub((indices >> 32) as u32)
}

const fn low(word: u64) -> u32 {
    (word & 0xffff_ffff) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_as_it_went() {
        for (number, &kind) in (0..).zip(Kind::ALL) {
            let tid = u32::MAX - number;
            let record =
                Record { ticks: u64::MAX, count: 1 << 40, tid, cpu: 0xfffe, kind, arguments: [u64::MAX, 0, 7] };
            assert_eq!(Record::from_words(words_of(&bytes_of(record.to_words()))), Ok(record));
        }
    }

    #[test]
    fn kinds_have_numbers_names_and_at_most_three_arguments() {
        for (number, &kind) in (0..).zip(Kind::ALL) {
            assert_eq!((kind as u16, Kind::from_number(number)), (number, Some(kind)));
            assert!(kind.arguments().len() <= 3 && !kind.name().is_empty());
            assert_eq!(Kind::ALL.iter().filter(|other| other.name() == kind.name()).count(), 1);
        }
    }

    #[test]
    fn what_is_no_recording_is_refused() {
        let header = Header { counter: Counter::Instructions, cpus: 8, ticks_hz: 62_500_000 };
        let words = header.to_words();
        assert_eq!(Header::from_words(words), Ok(header));
        let with = |index: usize, word: u64| {
            let mut words = words;
            words[index] = word;
            Header::from_words(words)
        };
        assert_eq!(with(0, MAGIC + 1), Err(Malformed::Magic));
        assert_eq!(with(1, 2), Err(Malformed::Version(2)));
        assert_eq!(with(2, 2), Err(Malformed::Number(2)));
        let unknown = [0, 0, 0xfff_u64 << 32, 0, 0, 0];
        assert_eq!(Record::from_words(unknown), Err(Malformed::Number(0xfff)));
    }

    #[test]
    fn slots_in_use_go_round() {
        assert_eq!(used_slots(0), 0);
        assert_eq!(used_slots(5 | 3 << 32), 2);
        assert_eq!(used_slots(1 | u64::from(u32::MAX) << 32), 2);
    }
}
