//! The archive read back by another reader than ours, and what the tree refuses.

use std::io::{Cursor, Read};

use cpio::newc::Reader;

use super::*;

/// Name, mode with type bits, inode, device numbers, contents.
#[derive(Debug, PartialEq)]
struct Seen {
    name: String,
    mode: u32,
    inode: u32,
    device: (u32, u32),
    contents: Vec<u8>,
}

fn read(archive: &[u8]) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut rest = Cursor::new(archive);
    loop {
        let mut reader = Reader::new(rest).unwrap();
        let entry = reader.entry().clone();
        if entry.is_trailer() {
            return seen;
        }
        assert_eq!((entry.uid(), entry.gid(), entry.mtime()), (0, 0, 0));
        let mut contents = Vec::new();
        reader.read_to_end(&mut contents).unwrap();
        seen.push(Seen {
            name: entry.name().to_owned(),
            mode: entry.mode(),
            inode: entry.ino(),
            device: (entry.rdev_major(), entry.rdev_minor()),
            contents,
        });
        rest = reader.finish().unwrap();
    }
}

fn names(tree: &Tree) -> Vec<String> {
    read(&tree.to_newc().unwrap()).into_iter().map(|seen| seen.name).collect()
}

fn seen(name: &str, mode: u32, inode: u32, device: (u32, u32), contents: &[u8]) -> Seen {
    Seen { name: name.to_owned(), mode, inode, device, contents: contents.to_owned() }
}

#[test]
fn every_kind_of_entry_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let host = folder.path().join("program");
    fs::write(&host, b"12345").unwrap();

    let mut tree = Tree::default();
    tree.add_node(&"/dev/console=c:5:1".parse().unwrap()).unwrap();
    tree.add_symlink(&"/bin/ls=coreutils".parse().unwrap()).unwrap();
    tree.add_file(&format!("/bin/coreutils={}:755", host.display()).parse().unwrap()).unwrap();
    tree.add_directory(&"/tmp:1777".parse().unwrap()).unwrap();

    assert_eq!(
        read(&tree.to_newc().unwrap()),
        [
            seen("bin", 0o040_755, 1, (0, 0), b""),
            seen("bin/coreutils", 0o100_755, 2, (0, 0), b"12345"),
            seen("bin/ls", 0o120_777, 3, (0, 0), b"coreutils"),
            seen("dev", 0o040_755, 4, (0, 0), b""),
            seen("dev/console", 0o020_600, 5, (5, 1), b""),
            seen("tmp", 0o041_777, 6, (0, 0), b""),
        ]
    );
}

#[test]
fn order_of_arguments_does_not_show() {
    let archive = |words: &[&str]| {
        let mut tree = Tree::default();
        for word in words {
            tree.add_symlink(&word.parse().unwrap()).unwrap();
        }
        tree.to_newc().unwrap()
    };
    assert_eq!(archive(&["/a/b=x", "/a/c=y", "/d=z"]), archive(&["/d=z", "/a/c=y", "/a/b=x"]));
}

#[test]
fn a_host_folder_is_copied_with_plain_modes() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("etc")).unwrap();
    let passwd = folder.path().join("etc/passwd");
    fs::write(&passwd, b"root").unwrap();
    fs::set_permissions(&passwd, fs::Permissions::from_mode(0o600)).unwrap();
    let script = folder.path().join("run");
    fs::write(&script, b"").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink("etc/passwd", folder.path().join("users")).unwrap();

    let mut tree = Tree::default();
    tree.add_host_folder(folder.path()).unwrap();
    assert_eq!(
        read(&tree.to_newc().unwrap()),
        [
            seen("etc", 0o040_755, 1, (0, 0), b""),
            seen("etc/passwd", 0o100_644, 2, (0, 0), b"root"),
            seen("run", 0o100_755, 3, (0, 0), b""),
            seen("users", 0o120_777, 4, (0, 0), b"etc/passwd"),
        ]
    );
}

#[test]
fn a_directory_sorts_before_its_contents_even_with_names_between() {
    // '-' sorts before '/': "a-b" lies between "a" and "a/b".
    let mut tree = Tree::default();
    tree.add_symlink(&"/a/b=x".parse().unwrap()).unwrap();
    tree.add_symlink(&"/a-b=x".parse().unwrap()).unwrap();
    assert_eq!(names(&tree), ["a", "a-b", "a/b"]);
}

#[test]
fn a_directory_may_be_named_again_but_nothing_else() {
    let mut tree = Tree::default();
    tree.add_directory(&"/tmp".parse().unwrap()).unwrap();
    tree.add_directory(&"/tmp:1777".parse().unwrap()).unwrap();
    assert_eq!(read(&tree.to_newc().unwrap()), [seen("tmp", 0o041_777, 1, (0, 0), b"")]);

    assert!(tree.add_symlink(&"/tmp=x".parse().unwrap()).is_err());
    let mut tree = Tree::default();
    tree.add_symlink(&"/a=x".parse().unwrap()).unwrap();
    assert!(tree.add_symlink(&"/a=y".parse().unwrap()).is_err());
    assert!(tree.add_symlink(&"/a/b=y".parse().unwrap()).is_err());
}

#[test]
fn a_missing_or_unfit_host_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for host in [folder.path().join("absent"), folder.path().to_owned()] {
        let rule = format!("/a={}", host.display()).parse().unwrap();
        let error = Tree::default().add_file(&rule).unwrap_err();
        assert!(error.to_string().contains(host.to_str().unwrap()), "{error}");
    }
}
