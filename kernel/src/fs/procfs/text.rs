//! Files whose contents are text made when they are read.
//!
//! Owns the text of one open file: made anew whenever it is read from its start, so that a reader sees one moment, and one who
//! seeks back sees the present. Lock: OBJECT (spin) around the reference to the text. Making it may sleep.
//! Specification: proc(5), seq_file in Linux.

use crate::arch::mmu::PAGE_SIZE;
use crate::fs::file::{FileOps, Io, MapRequest, Readiness, Seeking};
use crate::fs::special::{OpenRequest, Openable, Opened};
use crate::mm::user::{Sink, Source};
use crate::mm::{Frame, PageSource, heap};
use crate::process::Credentials;
use crate::sync::{SpinLock, rank};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use postern_core::errno::{Errno, Result};
use postern_core::number::parse_unsigned;
use postern_core::page_ring::Offer;

/// Text that is being made; may hold any bytes.
#[derive(Default)]
pub struct Text {
    bytes: Vec<u8>,
    /// There was no memory for some of it.
    cut: bool,
}

impl Text {
    /// Adds bytes as they are.
    pub fn push(&mut self, bytes: &[u8]) {
        // What a page holds is any reader's due; more must not come out of the kernel's reserve.
        let grows = self.bytes.capacity() - self.bytes.len() < bytes.len();
        let wanted = 2 * (self.bytes.len() + bytes.len());
        let refused = grows && wanted > PAGE_SIZE && heap::admit(wanted).is_err();
        if self.cut || refused || self.bytes.try_reserve(bytes.len()).is_err() {
            self.cut = true;
            return;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Adds a path for a table of words (/proc/mounts): what would divide words is escaped.
    pub fn push_path(&mut self, bytes: &[u8]) {
        self.push_escaped(bytes, b" \t\n\\");
    }

    /// Adds a name for a line of its own (status).
    pub fn push_name(&mut self, bytes: &[u8]) {
        self.push_escaped(bytes, b"\n\\");
    }

    fn push_escaped(&mut self, bytes: &[u8], special: &[u8]) {
        for &byte in bytes {
            if special.contains(&byte) {
                let digits = [byte >> 6, byte >> 3 & 7, byte & 7].map(|digit| b'0' + digit);
                self.push(b"\\");
                self.push(&digits);
            } else {
                self.push(&[byte]);
            }
        }
    }

    /// The bytes so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

/// Adds formatted text; unlike `write!` it has no error to lose, since [`Text`] has none.
macro_rules! put {
    ($text:expr, $($arguments:tt)*) => {{
        use core::fmt::Write as _;
        let text: &mut $crate::fs::procfs::text::Text = $text;
        let result: core::fmt::Result = write!(text, $($arguments)*);
        debug_assert!(result.is_ok(), "text takes everything");
    }};
}
pub(crate) use put;

/// Where text comes from and goes to.
pub trait TextSource: Send + Sync {
    /// Makes the text.
    ///
    /// # Errors
    /// What read(2) should say, ESRCH for a process that is gone.
    fn show(&self, text: &mut Text) -> Result<()>;

    /// Whether whoever has these credentials may open it, though the permissions say so.
    ///
    /// # Errors
    /// What open(2) should say.
    fn check_open(&self, credentials: &Credentials) -> Result<()> {
        let _ = credentials;
        Ok(())
    }

    /// Takes what was written in one call.
    ///
    /// # Errors
    /// What write(2) should say.
    fn store(&self, bytes: &[u8]) -> Result<()> {
        let _ = bytes;
        Err(Errno::EACCES)
    }

    /// What poll(2) says of it; `None`: it cannot be polled. As in Linux, most files of text are ready whenever they are asked.
    fn readiness(&self) -> Option<Readiness> {
        Some(Readiness::READABLE | Readiness::WRITABLE)
    }
}

/// A function that makes text.
pub type Show = fn(&mut Text) -> Result<()>;
/// A function that takes what was written.
pub type Store = fn(&[u8]) -> Result<()>;

/// Text made by a function, and perhaps taken by one.
pub struct Functions {
    /// Makes the text.
    pub show: Show,
    /// Takes what was written.
    pub store: Option<Store>,
}

impl TextSource for Functions {
    fn show(&self, text: &mut Text) -> Result<()> {
        (self.show)(text)
    }

    fn store(&self, bytes: &[u8]) -> Result<()> {
        self.store.ok_or(Errno::EACCES)?(bytes)
    }
}

/// A file of text; opening makes a [`TextFile`].
pub struct TextNode(pub Arc<dyn TextSource>);

impl Openable for TextNode {
    fn open(&self, request: &OpenRequest<'_>) -> Result<Opened> {
        self.0.check_open(request.credentials)?;
        Ok(Opened::plain(Arc::new(TextFile::new(self.0.clone()))))
    }
}

/// An open file of text.
pub struct TextFile {
    source: Arc<dyn TextSource>,
    text: SpinLock<Option<Arc<Text>>>,
}

impl TextFile {
    /// One whose text comes from `source`.
    pub fn new(source: Arc<dyn TextSource>) -> Self {
        Self { source, text: SpinLock::new(rank::OBJECT, None) }
    }

    fn text_for(&self, offset: u64) -> Result<Arc<Text>> {
        if offset != 0
            && let Some(text) = self.text.lock().clone()
        {
            return Ok(text);
        }
        let mut text = Text::default();
        self.source.show(&mut text)?;
        if text.cut {
            return Err(Errno::ENOMEM);
        }
        let text = Arc::new(text);
        let old = self.text.lock().replace(text.clone());
        drop(old);
        Ok(text)
    }
}

impl FileOps for TextFile {
    fn seeking(&self) -> Seeking {
        Seeking::Position
    }

    fn try_read(&self, io: &Io, sink: &mut Sink<'_>) -> Result<usize> {
        let offset = io.offset.ok_or(Errno::ESPIPE)?;
        let text = self.text_for(offset)?;
        let rest = usize::try_from(offset).ok().and_then(|offset| text.bytes().get(offset..)).unwrap_or_default();
        if rest.is_empty() || sink.remaining() == 0 { Ok(0) } else { sink.copy_from_slice(rest) }
    }

    fn try_write(&self, _: &Io, source: &mut Source<'_>) -> Result<usize> {
        const LONGEST: usize = 4096;
        let mut bytes = vec![0; source.remaining().min(LONGEST)];
        let taken = source.copy_to_slice(&mut bytes)?;
        self.source.store(&bytes[..taken])?;
        Ok(taken)
    }

    fn can_be_polled(&self) -> bool {
        self.source.readiness().is_some()
    }

    fn readiness(&self) -> Readiness {
        self.source.readiness().unwrap_or(Readiness::READABLE | Readiness::WRITABLE)
    }

    fn map(self: Arc<Self>, _: &MapRequest) -> Result<Arc<dyn PageSource>> {
        Err(Errno::EIO)
    }

    /// As in Linux, only write(2) sets anything.
    fn takes_splices(&self) -> bool {
        false
    }

    fn try_splice_in(&self, _: &Io, _: &mut Offer<'_, Frame>) -> Result<usize> {
        Err(Errno::EINVAL)
    }
}

/// The number in what was written, in C's notation as in Linux, with or without a newline.
///
/// # Errors
/// EINVAL.
pub fn parse_number<N: TryFrom<u64>>(bytes: &[u8]) -> Result<N> {
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0;
    let start = bytes.iter().position(|byte| !is_blank(byte)).ok_or(Errno::EINVAL)?;
    let end = bytes.iter().rposition(|byte| !is_blank(byte)).ok_or(Errno::EINVAL)?;
    let number = parse_unsigned(&bytes[start..=end]).map_err(|_| Errno::EINVAL)?;
    N::try_from(number).map_err(|_| Errno::EINVAL)
}
