//! The syntax tree of the shell language. Plain data: no locks, no sleep, no input or output.
//! Specification: POSIX.1-2024, Shell Command Language, section 2.10 (and `&>` as in bash).

use std::cell::OnceCell;
use std::rc::Rc;

/// A word before expansion: its parts, in order, stuck together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word(pub Vec<Part>);

/// One part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Text without quotes: pattern characters count.
    Literal(Vec<u8>),
    /// Text in single quotes or behind a backslash: means itself.
    Quoted(Vec<u8>),
    /// Parts between double quotes: expanded, but neither split nor matched.
    DoubleQuoted(Vec<Part>),
    /// `$name` or `${…}`.
    Parameter(Box<Parameter>),
    /// `$(…)` or backticks.
    Command(Rc<List>),
    /// `$((…))`: the expression is itself subject to expansion.
    Arithmetic(Word),
    /// `~` or `~user` at the start of a word.
    Tilde(Vec<u8>),
}

/// A parameter and what to do with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// A variable name, a position in digits, or one of `@ * # ? - $ ! 0`.
    pub name: Vec<u8>,
    /// The modifier inside the braces.
    pub operation: Operation,
}

/// Which values make a `${x:-word}` operation apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// No colon: only an unset parameter.
    Unset,
    /// Colon: an unset or an empty one.
    UnsetOrEmpty,
}

/// How much of the value a pattern removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// `#` or `%`.
    Shortest,
    /// `##` or `%%`.
    Longest,
}

/// Modifier of a parameter expansion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `$x`, `${x}`
    Value,
    /// `${#x}`
    Length,
    /// `${x-word}`
    Default(Missing, Word),
    /// `${x=word}`
    Assign(Missing, Word),
    /// `${x?word}`
    Complain(Missing, Word),
    /// `${x+word}`
    Alternative(Missing, Word),
    /// `${x#pattern}`
    TrimPrefix(Extent, Word),
    /// `${x%pattern}`
    TrimSuffix(Extent, Word),
}

/// `a && b; c & d`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List(pub Vec<Item>);

/// One and-or list and whether the shell waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What runs.
    pub and_or: AndOr,
    /// Ended by `;` or by `&`.
    pub mode: Mode,
}

/// Whether the shell waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `;` or newline
    Foreground,
    /// `&`
    Background,
}

/// `a && b || c`, grouped from the left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AndOr {
    /// The first pipeline.
    pub first: Pipeline,
    /// The others, each with the operator before it.
    pub rest: Vec<(Connector, Pipeline)>,
}

/// Operator between pipelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connector {
    /// `&&`
    And,
    /// `||`
    Or,
}

/// `! a | b`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    /// Whether `!` inverts the status.
    pub negated: bool,
    /// At least one command.
    pub commands: Vec<Command>,
    /// The source text, for `jobs`.
    pub text: Vec<u8>,
}

/// One command of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Assignments, words and redirections.
    Simple(Simple),
    /// A control structure with redirections of its own.
    Compound(Rc<Compound>, Vec<Redirection>),
    /// `name() body`
    Function(Vec<u8>, Rc<Command>),
}

/// `a=1 command word <file`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simple {
    /// Assignments before the command name.
    pub assignments: Vec<(Vec<u8>, Word)>,
    /// Command name and arguments.
    pub words: Vec<Word>,
    /// In the order given.
    pub redirections: Vec<Redirection>,
}

/// A control structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compound {
    /// `{ …; }`
    Group(List),
    /// `( … )`
    Subshell(List),
    /// `if … then … elif … else … fi`: pairs of condition and body, then the `else` part.
    If(Vec<(List, List)>, Option<List>),
    /// `while` or `until`.
    Loop(LoopKind, List, List),
    /// `for name in words`; `None` stands for `"$@"`.
    For(Vec<u8>, Option<Vec<Word>>, List),
    /// `case word in pattern|pattern) … ;; esac`
    Case(Word, Vec<CaseArm>),
}

/// Which status keeps a loop going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopKind {
    /// Zero.
    While,
    /// Anything else.
    Until,
}

/// One arm of a `case`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseArm {
    /// Alternatives.
    pub patterns: Vec<Word>,
    /// What to run.
    pub body: List,
}

/// A redirection of one descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirection {
    /// The descriptor changed.
    pub descriptor: i32,
    /// Where it leads.
    pub target: Target,
}

/// Where a redirection leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `< file`
    Read(Word),
    /// `> file`
    Write(Word),
    /// `>| file`: also with `set -C`.
    Overwrite(Word),
    /// `>> file`
    Append(Word),
    /// `<> file`
    ReadWrite(Word),
    /// `<&n`, `>&n`, `>&-`
    Duplicate(Word),
    /// `&> file`: this descriptor and standard error.
    WriteBoth(Word),
    /// `&>> file`: the same, appending.
    AppendBoth(Word),
    /// `<< end`: the body is read when the line ends.
    HereDocument(Rc<OnceCell<Word>>),
}
