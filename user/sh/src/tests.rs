//! Tests of single stages of the shell: command line, parsing.

use super::*;
use crate::ast::{Command, Compound, Mode};
use crate::lexer::SyntaxError;
use crate::parser::Parser;

fn words(text: &str) -> Vec<Vec<u8>> {
    text.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

#[test]
fn the_command_line_is_understood() {
    let invocation = parse(&words("sh -ec code name one")).expect("valid");
    assert_eq!(invocation.source, Source::Text(b"code".to_vec()));
    assert_eq!((invocation.name.as_slice(), invocation.positional), (b"name".as_slice(), words("one")));
    assert_eq!(invocation.options, [(b'e', true)]);

    let invocation = parse(&words("sh script -x")).expect("valid");
    assert_eq!(invocation.source, Source::File(b"script".to_vec()));
    assert_eq!(invocation.positional, words("-x"));

    let invocation = parse(&words("-sh")).expect("valid");
    assert!(invocation.login && invocation.source == Source::Standard);

    assert!(parse(&words("sh -c")).is_err());
    assert!(parse(&words("sh -Z")).is_err());
}

#[test]
fn unfinished_commands_ask_for_more() {
    let sources = [
        "if true",
        "if true; then",
        "while :; do echo",
        "for x in a b; do",
        "case x in",
        "case x in a) echo",
        "{ echo",
        "(echo",
        "echo 'open",
        "echo \"open",
        "echo $(date",
        "echo `date",
        "echo ${x",
        "echo $((1+",
        "a &&",
        "a |",
        "cat <<EOF\ntext\n",
        "f() {",
        "f()",
        "cat <",
    ];
    for source in sources {
        let result = Parser::new(source.as_bytes(), 0).complete_command();
        assert!(matches!(result, Err(SyntaxError::Incomplete(_))), "{source:?}: {result:?}");
    }
}

#[test]
fn wrong_commands_are_refused() {
    let sources = [
        "fi",
        "done",
        ";; x",
        "| a",
        "&& a",
        "a ; ; b",
        "if ; then :; fi",
        "( )",
        "{ }",
        "for 1x in a; do :; done",
        "echo ${x!y}",
        "a > | b",
        "case x in a b) :; esac",
        ")",
        "f() echo",
        "echo ${}",
        "(a) b",
    ];
    for source in sources {
        let result = Parser::new(source.as_bytes(), 0).complete_command();
        assert!(matches!(result, Err(SyntaxError::Unexpected(_))), "{source:?}: {result:?}");
    }
}

#[test]
fn hostile_nesting_is_refused_and_not_a_crash() {
    for open in ["(", "{ ", "$(", "echo $(", "if ", "while ", "\"${x:-", "$(("] {
        let source = open.repeat(20_000);
        assert!(Parser::new(source.as_bytes(), 0).complete_command().is_err(), "{open:?}");
    }
}

#[test]
fn a_line_is_one_complete_command() {
    let source = b"a; b &\nc\n";
    let mut parser = Parser::new(source, 0);
    let first = parser.complete_command().expect("valid").expect("not the end");
    assert_eq!(first.0.iter().map(|item| item.mode).collect::<Vec<_>>(), [Mode::Foreground, Mode::Background]);
    assert_eq!(parser.position(), 7);
    assert!(parser.complete_command().expect("valid").is_some());
    assert!(parser.complete_command().expect("valid").is_none());
}

#[test]
fn reserved_words_count_only_where_a_command_starts() {
    let list = Parser::new(b"echo if then fi", 0).program().expect("valid");
    let Command::Simple(simple) = &list.0[0].and_or.first.commands[0] else { panic!("not simple") };
    assert_eq!(simple.words.len(), 4);

    let list = Parser::new(b"if if a; then b; fi; then c; fi", 0).program().expect("valid");
    let Command::Compound(compound, _) = &list.0[0].and_or.first.commands[0] else { panic!("not compound") };
    assert!(matches!(**compound, Compound::If(..)));
}
