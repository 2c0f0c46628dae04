//! Boots a kernel with the initramfs of unmodified programs, to its end or as a console to type at.
//!
//! Owns the guest's process and the thread that reads what it prints. Only `qemu.sh` is called, whose status is the guest's.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What is booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// This project's.
    Postern,
    /// Debian's Linux, the oracle.
    Linux,
}

/// One boot of the initramfs of unmodified programs.
#[derive(Clone, Copy, Debug)]
pub struct Boot {
    /// The kernel.
    pub kernel: Kernel,
    /// CPUs, 1 to 8.
    pub cpus: u8,
    /// The script that busybox's shell runs as process 1.
    pub script: &'static str,
}

/// For one boot, on a machine that may be busy with another.
const TIMEOUT_S: &str = "120";
/// For one answer at a console.
const ANSWER: Duration = Duration::from_secs(40);

impl Boot {
    /// Boots, shows what is printed as it comes, and returns the exit status with all of it.
    ///
    /// # Panics
    /// If `qemu.sh` cannot be run, or the guest is ended by a signal.
    pub fn run(self) -> (i32, String) {
        let mut console = self.start();
        drop(console.keys.take());
        let status = console.status();
        (status, std::mem::take(&mut console.printed))
    }

    /// Boots, to be typed at.
    ///
    /// # Panics
    /// If `qemu.sh` cannot be run.
    pub fn start(self) -> Console {
        Built::Everything.ensure();
        let mut command = Command::new("./qemu.sh");
        command.current_dir(root()).args(["--initrd", "target/postern/programs.cpio", "--timeout", TIMEOUT_S]);
        command.args(["--smp", &self.cpus.to_string()]);
        let mut append = format!("quiet rdinit=/bin/busybox -- sh {}", self.script);
        if self.kernel == Kernel::Linux {
            command.args(["--image", "target/debian/Image", "--user-exit"]);
            append.insert_str(0, "POSTERN_EXIT=semihosting ");
        }
        command.args(["--append", &append]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("qemu.sh");
        let keys = child.stdin.take();
        let mut output = child.stdout.take().expect("a pipe");
        let (send, pieces) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                if send.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Console { boot: self, child, keys, pieces, printed: String::new(), heard: 0 }
    }
}

/// A guest whose console is typed at.
pub struct Console {
    boot: Boot,
    child: Child,
    keys: Option<ChildStdin>,
    pieces: Receiver<Vec<u8>>,
    printed: String,
    /// How much of it was waited for already.
    heard: usize,
}

impl Console {
    /// Types `keys`.
    ///
    /// # Panics
    /// If the guest has gone.
    pub fn type_keys(&mut self, keys: &str) {
        let keyboard = self.keys.as_mut().expect("a keyboard");
        if let Err(error) = keyboard.write_all(keys.as_bytes()) {
            panic!("{keys:?} could not be typed: {error}\n{}", self.printed);
        }
    }

    /// Waits until `text` is printed, after what was waited for before.
    ///
    /// # Panics
    /// If it is not printed in time.
    pub fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + ANSWER;
        loop {
            if let Some(at) = self.printed[self.heard..].find(text) {
                self.heard += at + text.len();
                return;
            }
            let Ok(piece) = self.pieces.recv_timeout(deadline.saturating_duration_since(Instant::now())) else {
                panic!("{:?}: {text:?} did not come after {} bytes of:\n{}", self.boot, self.heard, self.printed);
            };
            self.printed.push_str(&String::from_utf8_lossy(&piece));
        }
    }

    /// All that was printed.
    pub fn printed(&self) -> &str {
        &self.printed
    }

    /// Waits for the end, and returns the guest's exit status.
    ///
    /// # Panics
    /// If the guest is ended by a signal.
    pub fn status(&mut self) -> i32 {
        while let Ok(piece) = self.pieces.recv() {
            self.printed.push_str(&String::from_utf8_lossy(&piece));
        }
        self.child.wait().expect("qemu.sh").code().expect("a status")
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // A test that failed leaves no guest behind; qemu.sh hands the signal on. One that has ended is nobody's any more.
        if let Ok(None) = self.child.try_wait() {
            let _ = Command::new("kill").arg(self.child.id().to_string()).status();
            let _ = self.child.wait();
        }
    }
}

/// The project's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What is built before it can be booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Built {
    /// The kernel and its initramfs.
    Image,
    /// Both, the kernel of the in-kernel tests, the initramfs of unmodified programs, and Linux.
    Everything,
}

impl Built {
    /// Builds it, if no test of this process has yet.
    ///
    /// # Panics
    /// If it cannot be built; why is in what `make` printed.
    pub fn ensure(self) {
        // Held while make runs: who needs the same waits for it.
        static MOST: Mutex<Option<Built>> = Mutex::new(None);
        let mut most = MOST.lock().unwrap_or_else(PoisonError::into_inner);
        if *most >= Some(self) {
            return;
        }
        let target = match self {
            Self::Image => "image",
            Self::Everything => "test-images",
        };
        let status = Command::new("make").arg(target).current_dir(root()).stdin(Stdio::null()).status();
        assert!(status.expect("make").success(), "make {target}");
        *most = Some(self);
    }
}
