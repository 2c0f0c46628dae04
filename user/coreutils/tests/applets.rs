//! The applets as programs, on folders of their own: what they print, and their status.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("coreutils-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary folder can be made");
        Self(path)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).expect("the folder is writable");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).expect("the file is there")
    }

    fn has(&self, name: &str) -> bool {
        fs::symlink_metadata(self.0.join(name)).is_ok()
    }

    /// Runs an applet here with text on standard input.
    fn run_with(&self, words: &[&str], input: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_coreutils"))
            .args(words)
            .current_dir(&self.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        // An applet that does not read may be gone already.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output().expect("the program ends")
    }

    fn run(&self, line: &str) -> Output {
        self.run_with(&line.split(' ').collect::<Vec<_>>(), "")
    }

    /// Runs a line that must succeed; what it printed.
    fn text(&self, line: &str) -> String {
        let output = self.run(line);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{line}: {error}");
        String::from_utf8(output.stdout).expect("text")
    }

    fn filter(&self, line: &str, input: &str) -> String {
        let output = self.run_with(&line.split(' ').collect::<Vec<_>>(), input);
        String::from_utf8(output.stdout).expect("text")
    }

    fn status(&self, line: &str) -> Option<i32> {
        self.run(line).status.code()
    }

    fn error(&self, line: &str) -> String {
        String::from_utf8_lossy(&self.run(line).stderr).into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{}: {error}", self.0.display());
        }
    }
}

#[test]
fn the_list_names_every_applet() {
    let folder = Folder::new("list");
    assert_eq!(folder.text("--list"), include_str!("../applets.txt"));
}

#[test]
fn a_link_calls_the_applet_of_its_name() {
    let folder = Folder::new("link");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_coreutils"), folder.0.join("basename")).expect("a link can be made");
    let output = Command::new(folder.0.join("basename")).arg("/a/b.c").arg(".c").output().expect("the program starts");
    assert_eq!(output.stdout, b"b\n");
}

#[test]
fn errors_have_the_usual_form_and_status() {
    let folder = Folder::new("errors");
    assert_eq!(folder.error("cat none"), "cat: none: No such file or directory\n");
    assert_eq!(folder.error("rmdir none"), "rmdir: none: No such file or directory\n");
    assert_eq!(folder.error("ls none"), "ls: none: No such file or directory\n");
    for line in [
        "cat none",
        "ls none",
        "rm none",
        "mkdir /proc/none/x",
        "stat none",
        "cp none x",
        "mv none x",
        "chmod 600 none",
    ] {
        assert_eq!(folder.status(line), Some(1), "{line}");
    }
    for line in ["cat -Z", "nosuch", "mkdir", "kill", "head -n x", "seq", "expr 1 +", "test a b", "grep", "grep -E ( x"]
    {
        assert_eq!(folder.status(line), Some(2), "{line}");
    }
}

#[test]
fn a_full_device_is_reported() {
    let folder = Folder::new("full");
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let output =
        Command::new(env!("CARGO_BIN_EXE_coreutils")).args(["echo", "x"]).stdout(full).output().expect("starts");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "echo: write error: No space left on device\n");
    assert_eq!(folder.status("dd if=/dev/zero of=/dev/full bs=1 count=1"), Some(1));
}

#[test]
fn cat_head_tail_wc_tee() {
    let folder = Folder::new("stream");
    folder.write("a", "1\n2\n3\n");
    folder.write("b", "x y\nz");
    assert_eq!(folder.text("cat a b"), "1\n2\n3\nx y\nz");
    assert_eq!(folder.filter("cat a - b", "in\n"), "1\n2\n3\nin\nx y\nz");
    assert_eq!(folder.text("cat -n b"), "     1\tx y\n     2\tz");
    assert_eq!(folder.text("head -n 2 a"), "1\n2\n");
    assert_eq!(folder.text("head -1 a b"), "==> a <==\n1\n\n==> b <==\nx y\n");
    assert_eq!(folder.text("head -c 3 a"), "1\n2");
    assert_eq!(folder.text("tail -n 2 a"), "2\n3\n");
    assert_eq!(folder.text("tail -1 b"), "z");
    assert_eq!(folder.text("tail -n +2 a"), "2\n3\n");
    assert_eq!(folder.text("tail -c 2 a"), "3\n");
    assert_eq!(folder.text("tail -n 0 a"), "");
    assert_eq!(folder.text("tail -n 9 a"), "1\n2\n3\n");
    assert_eq!(folder.text("wc -l a"), "3 a\n");
    assert_eq!(
        folder.text("wc a b"),
        "      3       3       6 a\n      1       3       5 b\n      4       6      11 total\n"
    );
    assert_eq!(folder.filter("wc -m", "äb\n"), "3\n");
    assert_eq!(folder.filter("tee c", "data"), "data");
    assert_eq!(folder.filter("tee -a c", "more"), "more");
    assert_eq!(folder.read("c"), "datamore");
}

#[test]
fn names_are_made_moved_and_removed() {
    let folder = Folder::new("names");
    folder.text("mkdir -p d/e/f");
    folder.text("mkdir -m 700 g");
    assert_eq!(folder.text("stat -c %a g"), "700\n");
    assert_eq!(folder.status("mkdir d"), Some(1));
    folder.text("touch d/x");
    assert_eq!(folder.status("rmdir d"), Some(1));
    assert_eq!(folder.status("rm d"), Some(1));
    folder.text("ln -s d/x link");
    folder.text("ln d/x hard");
    assert_eq!(folder.text("readlink link"), "d/x\n");
    assert_eq!(folder.text("stat -c %h hard"), "2\n");
    assert_eq!(folder.status("ln -s y link"), Some(1));
    folder.text("ln -sf y link");
    assert_eq!(folder.text("readlink link"), "y\n");
    folder.text("mv hard d/e");
    assert!(folder.has("d/e/hard") && !folder.has("hard"));
    folder.text("rm -r d");
    assert!(!folder.has("d"));
    folder.text("rm -f none");
    assert_eq!(folder.status("rm -rf /"), Some(1));
    assert_eq!(folder.status("rm -rf .."), Some(1));
    folder.text("mkdir -p p/q");
    folder.text("rmdir -p p/q");
    assert!(!folder.has("p"));
    folder.text("mkfifo -m 600 pipe");
    assert_eq!(folder.text("stat -c %F pipe"), "fifo\n");
    folder.text("touch -d @86400 old");
    assert_eq!(folder.text("stat -c %Y old"), "86400\n");
    assert_eq!(folder.text("basename /a/b/"), "b\n");
    assert_eq!(folder.text("basename x.c .c"), "x\n");
    assert_eq!(folder.text("dirname /a/b c /"), "/a\n.\n/\n");
}

#[test]
fn copies_keep_content_mode_and_kind() {
    let folder = Folder::new("copy");
    folder.text("mkdir d");
    folder.write("d/script", "text");
    folder.text("chmod 755 d/script");
    folder.text("ln -s script d/link");
    folder.text("mkfifo d/pipe");
    folder.text("cp -r d e");
    assert_eq!(folder.read("e/script"), "text");
    assert_eq!(folder.text("stat -c %a%F e/script"), "755regular file\n");
    assert_eq!(folder.text("readlink e/link"), "script\n");
    assert_eq!(folder.text("stat -c %F e/pipe"), "fifo\n");
    assert_eq!(folder.status("cp d f"), Some(1));
    assert_eq!(folder.status("cp -r d d/e"), Some(1));
    assert!(!folder.has("d/e/e"));
    assert_eq!(folder.status("cp d/script d/script"), Some(1));
    assert_eq!(folder.read("d/script"), "text");
    assert_eq!(folder.status("cp d/script e/link other"), Some(1));
    folder.text("mkdir other");
    folder.text("cp d/script e/link other");
    assert_eq!((folder.read("other/script"), folder.read("other/link")), ("text".to_owned(), "text".to_owned()));
}

#[test]
fn ls_shows_names_and_data() {
    let folder = Folder::new("ls");
    folder.text("mkdir d");
    folder.write("b", "12345");
    folder.write(".hidden", "");
    folder.text("touch -d @0 b");
    folder.text("chmod 640 b");
    assert_eq!(folder.text("ls"), "b\nd\n");
    assert_eq!(folder.text("ls -a"), ".\n..\n.hidden\nb\nd\n");
    assert_eq!(folder.text("ls -A"), ".hidden\nb\nd\n");
    assert_eq!(folder.text("ls -r"), "d\nb\n");
    assert_eq!(folder.text("ls -d ."), ".\n");
    assert_eq!(folder.text("ls -R"), ".:\nb\nd\n\n./d:\n");
    let line = folder.text("ls -l b");
    assert!(line.starts_with("-rw-r----- 1 ") && line.ends_with(" 5 Jan  1  1970 b\n"), "{line}");
    let device = folder.text("ls -l /dev/null");
    assert!(device.starts_with("crw") && device.contains(" 1, 3 "), "{device}");
}

#[test]
fn grep_finds_lines() {
    let folder = Folder::new("grep");
    folder.write("a", "one\nTwo\nthree\n");
    folder.write("b", "one\n");
    assert_eq!(folder.text("grep e a"), "one\nthree\n");
    assert_eq!(folder.text("grep -n e a"), "1:one\n3:three\n");
    assert_eq!(folder.text("grep -v e a"), "Two\n");
    assert_eq!(folder.text("grep -i two a"), "Two\n");
    assert_eq!(folder.text("grep -c e a b"), "a:2\nb:1\n");
    assert_eq!(folder.text("grep one a b"), "a:one\nb:one\n");
    assert_eq!(folder.text("grep -l one a b"), "a\nb\n");
    assert_eq!(folder.text("grep -E ^(one|Two)$ a"), "one\nTwo\n");
    assert_eq!(folder.text("grep -F o a"), "one\nTwo\n");
    assert_eq!(folder.text("grep -o t.r a"), "thr\n");
    assert_eq!(folder.text("grep -e one -e three a"), "one\nthree\n");
    assert_eq!(folder.text("grep -r three ."), "./a:three\n");
    assert_eq!(folder.text("grep -q one a"), "");
    assert_eq!(folder.status("grep none a"), Some(1));
    assert_eq!(folder.status("grep one none"), Some(2));
}

#[test]
fn sort_uniq_cut_tr() {
    let folder = Folder::new("text");
    assert_eq!(folder.filter("sort", "b\na\nc\n"), "a\nb\nc\n");
    assert_eq!(folder.filter("sort -r", "b\na\nc\n"), "c\nb\na\n");
    assert_eq!(folder.filter("sort -n", "10\n9\n-1\n"), "-1\n9\n10\n");
    assert_eq!(folder.filter("sort -u", "b\na\nb\n"), "a\nb\n");
    assert_eq!(folder.filter("sort -k 2", "a 2\nb 1\n"), "b 1\na 2\n");
    assert_eq!(folder.filter("sort -t : -k 2n", "a:10\nb:9\n"), "b:9\na:10\n");
    assert_eq!(folder.filter("sort -k 2,2 -k 1,1r", "a x\nb x\nc w\n"), "c w\nb x\na x\n");
    assert_eq!(folder.filter("uniq", "a\na\nb\na\n"), "a\nb\na\n");
    assert_eq!(folder.filter("uniq -c", "a\na\nb\n"), "      2 a\n      1 b\n");
    assert_eq!(folder.filter("uniq -d", "a\na\nb\n"), "a\n");
    assert_eq!(folder.filter("uniq -u", "a\na\nb\n"), "b\n");
    assert_eq!(folder.filter("cut -d : -f 1,3-", "a:b:c:d\nplain\n"), "a:c:d\nplain\n");
    assert_eq!(folder.filter("cut -c 2-3", "größe\n"), "rö\n");
    assert_eq!(folder.filter("cut -b 1", "xyz\n"), "x\n");
    assert_eq!(folder.filter("tr a-z A-Z", "hello\n"), "HELLO\n");
    assert_eq!(folder.filter("tr -d l", "hello\n"), "heo\n");
    assert_eq!(folder.filter("tr -s l", "hello\n"), "helo\n");
    assert_eq!(folder.filter("tr -cd [:digit:]", "a1b2\n"), "12");
    assert_eq!(folder.filter("tr ab x", "aabb\n"), "xxxx\n");
}

#[test]
fn numbers() {
    let folder = Folder::new("number");
    assert_eq!(folder.text("seq 3"), "1\n2\n3\n");
    assert_eq!(folder.text("seq 3 -1 1"), "3\n2\n1\n");
    assert_eq!(folder.text("seq -2 0"), "-2\n-1\n0\n");
    assert_eq!(folder.text("seq 1 0.5 2"), "1.0\n1.5\n2.0\n");
    assert_eq!(folder.text("seq -w 8 10"), "08\n09\n10\n");
    assert_eq!(folder.text("seq -s , 3"), "1,2,3\n");
    assert_eq!(folder.text("seq 2 1"), "");
    assert_eq!(folder.text("expr 1 + 2 * 3"), "7\n");
    assert_eq!(folder.text("expr ( 1 + 2 ) * 3"), "9\n");
    assert_eq!(folder.text(r"expr abc : a\(.\)c"), "b\n");
    assert_eq!(folder.status("expr 1 = 2"), Some(1));
    assert_eq!(folder.status("expr 1 / 0"), Some(2));
}

#[test]
fn dd_copies_blocks() {
    let folder = Folder::new("dd");
    folder.write("in", "0123456789");
    let output = folder.run("dd if=in of=out bs=4");
    assert_eq!(folder.read("out"), "0123456789");
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(report.starts_with("2+1 records in\n2+1 records out\n10 bytes"), "{report}");
    folder.text("dd if=in of=out bs=2 skip=1 count=2 status=none");
    assert_eq!(folder.read("out"), "2345");
    folder.text("dd if=in of=out bs=1 seek=2 count=1 conv=notrunc status=none");
    assert_eq!(folder.read("out"), "2305");
    assert_eq!(folder.filter("dd bs=3 skip=1 iflag=fullblock status=none", "abcdef"), "def");
    assert_eq!(folder.status("dd bs=0"), Some(2));
    assert_eq!(folder.status("dd nonsense"), Some(2));
}

#[test]
fn bytes_are_shown_and_compared() {
    let folder = Folder::new("dump");
    assert_eq!(folder.filter("od -An -tx1", "AB\n"), " 41 42 0a\n");
    assert_eq!(folder.filter("od -c", "a\n"), "0000000   a  \\n\n0000002\n");
    assert_eq!(folder.filter("od -tx2", "AB"), "0000000 4241\n0000002\n");
    assert_eq!(folder.filter("od -An -td1", "A"), "  65\n");
    let zeros = "\0".repeat(64);
    assert_eq!(folder.filter("od -tx1", &zeros).lines().nth(1), Some("*"));
    let dump = folder.filter("hexdump -C", "hello");
    assert_eq!(dump, "00000000  68 65 6c 6c 6f                                    |hello|\n00000005\n");
    folder.write("a", "abc\nd");
    folder.write("b", "abc\ne");
    folder.write("c", "abc\n");
    assert_eq!(folder.status("cmp a a"), Some(0));
    let output = folder.run("cmp a b");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), b"a b differ: byte 5, line 2\n".as_slice()));
    assert_eq!(folder.status("cmp a c"), Some(1));
    assert_eq!(folder.status("cmp a none"), Some(2));
    assert_eq!(folder.filter("strings -n 3", "\u{1}abc\u{2}de\u{3}fghi"), "abc\nfghi\n");
}

#[test]
fn find_walks_trees() {
    let folder = Folder::new("find");
    folder.text("mkdir -p d/e");
    folder.write("d/a.rs", "x");
    folder.write("d/e/b.rs", "");
    folder.text("ln -s e d/l");
    assert_eq!(folder.text("find d"), "d\nd/a.rs\nd/e\nd/e/b.rs\nd/l\n");
    assert_eq!(folder.text("find d -name *.rs"), "d/a.rs\nd/e/b.rs\n");
    assert_eq!(folder.text("find d -type d"), "d\nd/e\n");
    assert_eq!(folder.text("find d -type f -empty"), "d/e/b.rs\n");
    assert_eq!(folder.text("find d -maxdepth 1 -name *.rs"), "d/a.rs\n");
    assert_eq!(folder.text("find d ! -type d -a ! -name a*"), "d/e/b.rs\nd/l\n");
    assert_eq!(folder.text("find d ( -type l -o -name e ) -print"), "d/e\nd/l\n");
    assert_eq!(folder.text("find d -name e -prune -o -type f -print"), "d/a.rs\n");
    assert_eq!(folder.text("find d -type f -exec echo got {} ;"), "got d/a.rs\ngot d/e/b.rs\n");
    assert_eq!(folder.status("find none"), Some(1));
    assert_eq!(folder.status("find d -nonsense"), Some(2));
    folder.text("find d -delete");
    assert!(!folder.has("d"));
}

#[test]
fn programs_that_run_others() {
    let folder = Folder::new("run");
    assert_eq!(folder.text("env -i A=1 B=2"), "A=1\nB=2\n");
    let output = folder.run_with(&["env", "-i", "A=1", "/bin/sh", "-c", "echo $A$HOME"], "");
    assert_eq!(
        output.stdout,
        b"1
"
    );
    assert_eq!(folder.status("env no-such-program"), Some(127));
    assert_eq!(folder.status("env ./."), Some(126));
    assert_eq!(folder.text("env A=5 printenv A"), "5\n");
    assert_eq!(folder.status("printenv NO_SUCH_VARIABLE"), Some(1));
    assert_eq!(folder.text("nice -n 5 echo x"), "x\n");
    assert_eq!(folder.text("nohup echo x"), "x\n");
    assert_eq!(folder.status("timeout 10 false"), Some(1));
    assert_eq!(folder.status("timeout 0.05 sleep 10"), Some(124));
    assert_eq!(folder.status("timeout -s KILL 0.05 sleep 10"), Some(137));
    for wrong in ["cgrun", "cgrun group", "cgrun ../group true", "cgrun a/../../b true", "cgrun -x group true"] {
        assert_eq!(folder.status(wrong), Some(2), "{wrong}");
    }
    assert_eq!(folder.text("taskset 1 nproc").trim(), "1");
    assert_eq!(folder.text("taskset 1 echo x"), "x\n");
    assert_eq!(folder.status("time false"), Some(1));
    assert_eq!(folder.filter("xargs", "a 'b c'\n\"d\""), "a b c d\n");
    assert_eq!(folder.filter("xargs -n 2 echo x", "1 2 3"), "x 1 2\nx 3\n");
    assert_eq!(folder.filter("xargs -I {} echo <{}>", "a b\nc\n"), "<a b>\n<c>\n");
    assert_eq!(folder.filter("xargs -0 echo", "a b\0c\0"), "a b c\n");
    assert_eq!(folder.filter("xargs -r echo", ""), "");
    assert_eq!(folder.status("which no-such-program"), Some(1));
    assert!(folder.text("which sh").ends_with("/sh\n"));
}

#[test]
fn the_system_is_described() {
    let folder = Folder::new("system");
    let line = format!("{} ", std::process::id());
    assert!(folder.text("ps").lines().any(|row| row.trim_start().starts_with(&line)));
    assert_eq!(["ps aux", "ps -ef", "ps -A"].map(|words| folder.status(words)), [Some(0); 3]);
    assert_eq!(["ps -x", "ps 1"].map(|words| folder.status(words)), [Some(2); 2]);
    assert!(folder.text("free").contains("Mem:"));
    assert!(folder.text("uptime").starts_with("up "));
    assert_eq!(folder.text("uname"), "Linux\n");
    assert_eq!(folder.text("uname -m").trim(), std::env::consts::ARCH);
    assert!(folder.text("id").starts_with("uid="));
    assert!(folder.text("mount").contains(" on /proc type proc "));
    assert!(folder.text("df /").lines().count() == 2);
    assert_eq!(folder.text("date -d @0 +%F"), "1970-01-01\n");
    assert_eq!(folder.run("tty").stdout, b"not a tty\n");
    folder.write("file", "12345");
    assert!(folder.text("du -s .").ends_with("\t.\n"));
    assert!(folder.text("stat file").contains("Size: 5"));
    assert_eq!(folder.text("chmod u=rw,go= file"), "");
    assert_eq!(folder.text("stat -c %A file"), "-rw-------\n");
}

#[test]
fn kill_sends_signals() {
    let folder = Folder::new("kill");
    let mut sleeper = Command::new(env!("CARGO_BIN_EXE_coreutils")).args(["sleep", "100"]).spawn().expect("starts");
    let pid = sleeper.id();
    folder.text(&format!("kill -0 {pid}"));
    folder.text(&format!("kill -s TERM {pid}"));
    let status = sleeper.wait().expect("the child is ours");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
    assert_eq!(folder.status(&format!("kill {pid}")), Some(1));
    assert_eq!(folder.status("kill -NONSENSE 1"), Some(2));
}

#[test]
fn the_handbooks_exercises_work() {
    let folder = Folder::new("exercises");
    assert_eq!(folder.text("pipe-echo"), "hello\n");
    assert_eq!(folder.text("shm-counter"), "20000\n");
    assert_eq!(folder.text("shm-counter 7"), "14\n");
}

#[test]
fn a_closed_pipe_ends_the_writer() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_coreutils"))
        .arg("yes")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let status = child.wait().expect("the child is ours");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(13));
}

#[test]
fn rm_and_mv_ask_and_refuse() {
    let folder = Folder::new("asking");
    for name in ["a", "b", "c"] {
        folder.write(name, name);
    }
    assert_eq!(folder.status("rm -rf ."), Some(1));
    assert_eq!(folder.status("rm -r ./ .."), Some(1));
    assert!(folder.has("a") && folder.has("b"));
    folder.filter("rm -i a b", "n\ny\nnot read\n");
    assert!(folder.has("a") && !folder.has("b"));
    folder.filter("mv -i a c", "no\n");
    assert_eq!(folder.read("c"), "c");
    folder.filter("mv -i a c", "yes\n");
    assert_eq!(folder.read("c"), "a");
}

#[test]
fn an_answer_takes_one_line_of_the_input() {
    let folder = Folder::new("answer");
    folder.write("a", "");
    folder.write("answers", "y\nrest\n");
    let program = env!("CARGO_BIN_EXE_coreutils");
    let script = format!("{{ {program} rm -i a; {program} cat; }} <answers");
    let output = Command::new("sh").args(["-c", &script]).current_dir(&folder.0).output().expect("a shell is there");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "rest\n");
    assert!(!folder.has("a"));
}

#[test]
fn a_copy_keeps_times_if_asked() {
    let folder = Folder::new("times");
    folder.write("old", "x");
    folder.text("touch -d @1000000000 old");
    folder.text("mkdir d");
    folder.text("cp -p old new");
    folder.text("cp -p old d");
    folder.text("cp -a d e");
    for name in ["new", "d/old", "e/old"] {
        assert_eq!(folder.text(&format!("stat -c %Y {name}")), "1000000000\n", "{name}");
    }
    folder.text("cp old now");
    assert_ne!(folder.text("stat -c %Y now"), "1000000000\n");
}

#[test]
fn users_are_looked_up() {
    let folder = Folder::new("users");
    assert_eq!(folder.text("id -u root"), "0\n");
    assert_eq!(folder.status("id no-such-user"), Some(1));
    assert_eq!(folder.status("grep -s x no-such-file"), Some(2));
    assert_eq!(folder.status("timeout -s KILL 0.05 sleep 5"), Some(137));
    assert_eq!(folder.status("timeout 0.05 sleep 5"), Some(124));
}

#[test]
fn grep_shows_the_lines_around() {
    let folder = Folder::new("context");
    folder.write("n", "1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    folder.write("none", "x\n");
    assert_eq!(folder.text("grep -A1 -n 2 n"), "2:2\n3-3\n");
    assert_eq!(folder.text("grep -B 1 [29] n"), "1\n2\n--\n8\n9\n");
    assert_eq!(folder.text("grep -C1 [24] n"), "1\n2\n3\n4\n5\n");
    assert_eq!(folder.text("grep -H -C1 1 n"), "n:1\nn-2\n");
    assert_eq!(folder.text("grep -c -C9 5 n"), "1\n");
    assert_eq!(folder.filter("grep -L 5 n none", ""), "none\n");
    assert_eq!(folder.status("grep -A x 5 n"), Some(2));
}

#[test]
fn hello_and_ipctop_refuse_wrong_words_and_name_what_is_missing() {
    let folder = Folder::new("gates");
    for wrong in ["hello", "hello shout", "hello stat more", "hello receive -n many", "ipctop -n x", "ipctop -d x"] {
        assert_eq!(folder.run(wrong).status.code(), Some(2), "{wrong}");
    }
    if !std::path::Path::new("/proc/postern").exists() {
        for missing in ["ipctop", "hello stat", "hello send text"] {
            let output = folder.run(missing);
            assert_eq!(output.status.code(), Some(1), "{missing}");
            assert!(String::from_utf8_lossy(&output.stderr).contains("No such file"), "{missing}");
        }
    }
}

#[test]
fn help_is_a_line_of_usage_where_it_is_no_operand() {
    let folder = Folder::new("help");
    assert_eq!(folder.text("wc --help"), "usage: wc [-lwcm] [file...]\n");
    assert!(folder.text("mount --help").lines().count() == 2);
    assert_eq!(folder.text("echo --help"), "--help\n");
}

#[test]
fn script_runs_a_command_on_a_terminal_and_records_it() {
    let folder = Folder::new("script");
    let output = folder.run_with(&["script", "-q", "-c", "tty && echo done", "record"], "");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.starts_with("/dev/pts/") && shown.ends_with("\r\ndone\r\n"), "{shown:?}");
    assert_eq!((output.status.code(), folder.read("record")), (Some(0), shown));
    folder.run_with(&["script", "-a", "-c", "echo more", "record"], "");
    assert!(folder.read("record").ends_with("done\r\nScript started.\nmore\r\nScript done.\n"));
}

#[test]
fn script_types_its_input_and_then_the_end() {
    let folder = Folder::new("script-input");
    let output = folder.run_with(&["script", "-q", "-c", "stty -echo; echo ready; cat", "record"], "hello\n");
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("hello\r\n"), "{output:?}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn script_has_the_status_of_the_command_if_asked() {
    let folder = Folder::new("script-status");
    assert_eq!(folder.run_with(&["script", "-q", "-e", "-c", "exit 3", "record"], "").status.code(), Some(3));
    assert_eq!(folder.run_with(&["script", "-q", "-c", "exit 3", "record"], "").status.code(), Some(0));
    assert_eq!(folder.run_with(&["script", "-e", "-q", "-c", "kill -9 $$", "record"], "").status.code(), Some(137));
    assert_eq!(folder.status("script a b"), Some(2));
}
