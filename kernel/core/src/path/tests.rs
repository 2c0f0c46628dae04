//! Paths against splitting at slashes.

use super::*;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

fn walk(bytes: &[u8]) -> Vec<Component<'_>> {
    Path::new(bytes).unwrap().components().map(|component| component.unwrap()).collect()
}

fn last(bytes: &[u8]) -> (&[u8], Last<'_>) {
    let (parent, last) = Path::new(bytes).unwrap().split_last();
    (parent.rest(), last.unwrap())
}

#[test]
fn an_empty_path_is_enoent() {
    assert_eq!(Path::new(b""), Err(Errno::ENOENT));
}

#[test]
fn a_path_of_path_max_bytes_with_its_nul_is_the_longest() {
    assert!(Path::new(&[b'/'; PATH_MAX - 1]).is_ok());
    assert_eq!(Path::new(&[b'/'; PATH_MAX]), Err(Errno::ENAMETOOLONG));
}

#[test]
fn a_name_of_name_max_bytes_is_the_longest() {
    let name = [b'n'; NAME_MAX + 1];
    assert_eq!(walk(&name[1..]), [Component::Name(&name[1..])]);
    let mut path = b"first/".to_vec();
    path.extend_from_slice(&name);
    let path = Path::new(&path).unwrap();
    let mut components = path.components();
    assert_eq!(components.next(), Some(Ok(Component::Name(b"first"))), "what comes before is walked first");
    assert_eq!(components.next(), Some(Err(Errno::ENAMETOOLONG)));
    assert_eq!(path.split_last().1, Err(Errno::ENAMETOOLONG));
}

#[test]
fn slashes_may_repeat() {
    let expected = [Component::Name(b"usr"), Component::Current, Component::Parent, Component::Name(b"bin")];
    assert_eq!(walk(b"//usr///.//..//bin//"), expected);
    assert!(walk(b"///").is_empty());
}

#[test]
fn names_may_begin_with_dots() {
    assert_eq!(
        walk(b".../..x/.profile"),
        [Component::Name(b"..."), Component::Name(b"..x"), Component::Name(b".profile")]
    );
}

#[test]
fn a_slash_in_front_means_the_root_and_one_behind_a_directory() {
    let kind = |bytes| Path::new(bytes).map(|path| (path.is_absolute(), path.must_be_directory())).unwrap();
    assert_eq!(
        [kind(b"/a"), kind(b"a/"), kind(b"a"), kind(b"/")],
        [(true, false), (false, true), (false, false), (true, true)]
    );
}

#[test]
fn the_last_component_stands_apart() {
    assert_eq!(last(b"/usr//lib//libc.a"), (&b"usr//lib"[..], Last::Name(b"libc.a")));
    assert_eq!(last(b"file"), (&b""[..], Last::Name(b"file")));
    assert_eq!(last(b"dir/"), (&b""[..], Last::Name(b"dir")));
    assert_eq!(last(b"/"), (&b""[..], Last::Root));
    assert_eq!(last(b"a/."), (&b"a"[..], Last::Current));
    assert_eq!(last(b"a/../"), (&b"a"[..], Last::Parent));
}

#[test]
fn the_rest_continues_behind_a_link() {
    let mut components = Path::new(b"/link//a/b/").unwrap().components();
    components.next();
    assert_eq!(components.rest(), b"a/b");
    components.next();
    components.next();
    assert!(components.is_empty() && components.next().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn components_are_what_stands_between_slashes(path in "[/.ab]{1,40}") {
        let expected: Vec<&[u8]> = path.split('/').filter(|name| !name.is_empty()).map(str::as_bytes).collect();
        let name = |component| match component {
            Component::Current => &b"."[..],
            Component::Parent => b"..",
            Component::Name(name) => name,
        };
        let names: Vec<&[u8]> = walk(path.as_bytes()).into_iter().map(name).collect();
        prop_assert_eq!(&names, &expected);

        let (parent, last) = Path::new(path.as_bytes()).unwrap().split_last();
        let mut split: Vec<&[u8]> = parent.map(|component| name(component.unwrap())).collect();
        split.extend(match last.unwrap() {
            Last::Root => vec![],
            Last::Current => vec![&b"."[..]],
            Last::Parent => vec![&b".."[..]],
            Last::Name(name) => vec![name],
        });
        prop_assert_eq!(split, expected);
    }
}
