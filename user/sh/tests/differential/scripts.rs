//! The scripts of the differential test: one behaviour of POSIX each.

/// (behaviour, script).
pub const SCRIPTS: &[(&str, &str)] = &[
    ("a simple command", "echo hello world"),
    (
        "the status of the last command",
        "false; echo $?; true; echo $?",
    ),
    ("exit with a status", "exit 7"),
    ("exit without one takes the last status", "false; exit"),
    (
        "a command that is not there",
        "no-such-command 2>/dev/null; echo $?",
    ),
    (
        "a file that is not executable",
        "./a.txt 2>/dev/null; echo $?",
    ),
    (
        "single quotes keep everything",
        r#"printf '%s\n' 'a $x `b` \c "d"'"#,
    ),
    (
        "double quotes expand",
        r#"x='1  2'; printf '%s\n' "a $x \$x \" \\ \a""#,
    ),
    ("backslash quotes one character", r"echo a\ \ b \$x \\"),
    ("a line continues behind a backslash", "echo a\\\nb"),
    ("adjacent quotes make one word", r#"echo a'b'"c"\d"#),
    ("empty quotes are a word", r#"set -- "" '' ; echo $#"#),
    (
        "an unset variable vanishes",
        "set -- $unset x $unset; echo $#",
    ),
    (
        "fields split at blanks",
        "x=' a  b '; set -- $x; echo $# \"$1\" \"$2\"",
    ),
    (
        "fields split at IFS",
        "IFS=:; x=a::b:; set -- $x; echo $#; for i in $x; do echo \"[$i]\"; done",
    ),
    (
        "IFS with blanks and others",
        "IFS=' ,'; x='a , b,,c '; for i in $x; do echo \"[$i]\"; done",
    ),
    (
        "an empty IFS splits nothing",
        "IFS=; x='a b'; set -- $x; echo $#",
    ),
    (
        "quoted values do not split",
        "x='a  b'; set -- \"$x\"; echo $# \"$1\"",
    ),
    ("literals do not split at IFS", "IFS=b; echo abc"),
    (
        "all arguments quoted",
        "for i in \"$@\"; do echo \"[$i]\"; done",
    ),
    (
        "all arguments unquoted",
        "for i in $@; do echo \"[$i]\"; done",
    ),
    ("arguments joined", "IFS=-; echo \"$*\"; echo $#"),
    (
        "arguments with text around",
        "for i in \"x$@y\"; do echo \"[$i]\"; done",
    ),
    (
        "no arguments, no field",
        "set --; for i in \"$@\"; do echo no; done; set -- \"$@\" x; echo $#",
    ),
    (
        "no arguments joined is one field",
        "set --; set -- \"$*\"; echo $#",
    ),
    (
        "positional parameters",
        "echo $1 $2 $0 ${10}end; set -- 1 2 3 4 5 6 7 8 9 ten; echo ${10} $10",
    ),
    ("shift", "shift; echo $# $1; shift; echo $#"),
    (
        "default value",
        "echo ${x-a} ${x:-b}; x=; echo ${x-a}. ${x:-b}",
    ),
    (
        "default value with quotes",
        "echo \"${x:-a  b}\" ${x:-\"c  d\"} ${x:-'e  f'}",
    ),
    ("default value splits", "set -- ${x:-a b c}; echo $#"),
    (
        "assigning value",
        "echo ${x=1} $x ${y:=2} $y; x=; echo ${x:=3} $x",
    ),
    (
        "alternative value",
        "echo ${x+a}. ${x:+b}.; x=; echo ${x+a}. ${x:+b}.; x=1; echo ${x:+c}",
    ),
    (
        "error for a missing value",
        "(echo ${x?missing}) 2>/dev/null; echo $?",
    ),
    ("length", "x=hello; echo ${#x} ${#y} $# ${#}"),
    (
        "trim prefix",
        "x=a/b/c; echo ${x#*/} ${x##*/} ${x#z} ${x#\"a/\"}",
    ),
    ("trim suffix", "x=a.b.c; echo ${x%.*} ${x%%.*} ${x%z}"),
    (
        "trim with a quoted pattern",
        "x='a*b'; echo ${x#a'*'} ${x%'*b'}",
    ),
    ("nested expansion", "x=1; y=${z:-${x:-no}$x}; echo $y"),
    ("braces end a name", "x=a; echo ${x}b $x.b"),
    (
        "command substitution",
        "echo $(echo a; echo b) \"$(echo c; echo d)\"",
    ),
    (
        "command substitution strips newlines",
        "x=$(printf 'a\\n\\n\\n'); echo \"[$x]\"",
    ),
    (
        "nested command substitution",
        "echo $(echo $(echo deep) \"$(echo \"in quotes\")\")",
    ),
    (
        "backticks",
        "echo `echo a` \"`echo b`\" `echo \\`echo c\\``",
    ),
    (
        "substitution with a case",
        "echo $(case x in (x) echo yes;; esac)",
    ),
    (
        "status of a substitution",
        "x=$(exit 3); echo $?; echo $(exit 4) $?",
    ),
    (
        "arithmetic",
        "x=5; echo $((x*2+1)) $(( (1+2) * 3 )) $((10%3)) $((-7/2)) $((1<<3))",
    ),
    (
        "arithmetic comparison and logic",
        "echo $((1<2)) $((2<=1)) $((1&&0)) $((1||0)) $((!5)) $((5==5))",
    ),
    (
        "arithmetic assignment",
        "x=1; echo $((x+=4)) $x $((y=7)) $y",
    ),
    ("arithmetic conditional", "x=3; echo $((x>2 ? 10 : 20))"),
    (
        "arithmetic with expansions",
        "x=4; echo $(($x*$(echo 3))) $((${x}2))",
    ),
    ("arithmetic with bases", "echo $((0x1F)) $((010))"),
    ("arithmetic in quotes", "echo \"$((2+3))\" a$((1))b"),
    ("tilde", "echo ~ ~/x \"~\" a~ ~/'x y'"),
    ("tilde in an assignment", "x=~/bin:~/sbin; echo $x"),
    (
        "pathname expansion",
        "echo *.txt; echo [ab].txt; echo ?.txt; echo *",
    ),
    ("no match stays as it is", "echo *.none [z]*"),
    ("quoted patterns are names", "echo '*.txt' \"*\" \\*"),
    ("pattern from a variable", "x='*.txt'; echo $x \"$x\""),
    (
        "hidden files need a dot",
        "touch .hidden; echo *; echo .h*; rm .hidden",
    ),
    (
        "patterns in directories",
        "mkdir d; touch d/x d/y; echo d/* */x ./d/?; rm -r d",
    ),
    ("noglob", "set -f; echo *.txt; set +f; echo *.txt"),
    (
        "output redirection",
        "echo x >out; cat out; echo y >>out; cat out; rm out",
    ),
    ("input redirection", "cat <a.txt; cat <a.txt <b.txt"),
    (
        "error redirection",
        "ls no-such 2>err; test -s err && echo reported; rm err",
    ),
    (
        "joining descriptors",
        "{ echo out; echo err >&2; } 2>&1 | sort",
    ),
    (
        "order of redirections",
        "{ echo err >&2; } 2>&1 >/dev/null | cat",
    ),
    (
        "closing a descriptor",
        "{ echo x >&3; } 3>&- 2>/dev/null; echo $?",
    ),
    (
        "higher descriptors",
        "exec 3>out; echo kept >&3; exec 3>&-; cat out; rm out",
    ),
    (
        "redirecting a group",
        "{ echo a; echo b; } >out; cat out; rm out",
    ),
    (
        "redirecting a loop",
        "for i in 1 2; do echo $i; done >out; cat <out; rm out",
    ),
    ("reading and writing", "echo data >out; cat <>out; rm out"),
    (
        "a file that cannot be opened",
        "cat <none 2>/dev/null; echo $?; { :; } <none 2>/dev/null; echo still",
    ),
    (
        "a redirection alone",
        ">out; test -f out && echo made; rm out",
    ),
    (
        "redirection names expand",
        "x=out; echo 1 >$x; cat \"$x\"; rm out",
    ),
    ("here-document", "cat <<EOF\nline one\n  line two\nEOF"),
    (
        "here-document expands",
        "x=1; cat <<EOF\n$x $(echo 2) $((3)) `echo 4` \\$x \"q\"\nEOF",
    ),
    (
        "here-document quoted",
        "x=1; cat <<'EOF'\n$x $(echo 2) \\$x\nEOF",
    ),
    (
        "here-document without tabs",
        "cat <<-EOF\n\ta\n\t\tb\n\tEOF",
    ),
    ("two here-documents", "cat <<A; cat <<B\na\nA\nb\nB"),
    (
        "here-document in a pipeline",
        "cat <<EOF | tr a-z A-Z\nhello\nEOF",
    ),
    (
        "here-document in a loop",
        "while read x; do echo \"[$x]\"; done <<EOF\n1\n2\nEOF",
    ),
    (
        "here-document in a substitution",
        "x=$(cat <<EOF\ninner\nEOF\n); echo $x",
    ),
    (
        "a long here-document",
        "x=0123456789; x=$x$x$x$x$x; x=$x$x$x$x$x; x=$x$x$x$x$x; x=$x$x$x$x$x; wc -c <<EOF\n$x\nEOF",
    ),
    ("pipeline", "echo hello | tr a-z A-Z | cat"),
    (
        "status of a pipeline is the last",
        "false | true; echo $?; true | false; echo $?",
    ),
    (
        "negation",
        "! true; echo $?; ! false; echo $?; ! false | false; echo $?",
    ),
    ("and", "true && echo yes; false && echo no; echo $?"),
    ("or", "true || echo no; false || echo yes"),
    (
        "and and or from the left",
        "false && echo a || echo b; true || echo c && echo d",
    ),
    (
        "newlines behind operators",
        "true &&\necho a\necho b |\ncat",
    ),
    ("group", "{ echo a; echo b; } | wc -l"),
    (
        "subshell keeps its variables",
        "x=1; (x=2; echo $x); echo $x",
    ),
    ("subshell status", "(exit 5); echo $?"),
    (
        "subshell directory",
        "mkdir d; (cd d); test -d d && echo same; rmdir d",
    ),
    (
        "pipeline parts are subshells",
        "x=1; echo 2 | read x; echo $x",
    ),
    (
        "if",
        "if true; then echo a; else echo b; fi; if false; then echo a; else echo b; fi",
    ),
    (
        "elif",
        "if false; then echo a; elif true; then echo b; else echo c; fi",
    ),
    (
        "if without else has status zero",
        "if false; then :; fi; echo $?",
    ),
    (
        "while",
        "i=0; while [ $i -lt 3 ]; do echo $i; i=$((i+1)); done",
    ),
    (
        "until",
        "i=0; until [ $i -eq 3 ]; do i=$((i+1)); done; echo $i",
    ),
    ("for", "for i in a 'b c' d; do echo \"$i\"; done"),
    (
        "for over arguments",
        "for i do echo \"$i\"; done; for i\ndo echo \"$i\"; done",
    ),
    ("for over nothing", "for i in; do echo no; done; echo $?"),
    (
        "break",
        "for i in 1 2 3; do if [ $i = 2 ]; then break; fi; echo $i; done; echo end",
    ),
    (
        "continue",
        "for i in 1 2 3; do [ $i = 2 ] && continue; echo $i; done",
    ),
    (
        "break two levels",
        "for i in 1 2; do for j in 1 2; do echo $i$j; break 2; done; done",
    ),
    (
        "continue two levels",
        "for i in 1 2; do for j in 1 2; do echo $i$j; continue 2; done; done",
    ),
    (
        "break in a condition",
        "while break; do echo no; done; echo out",
    ),
    (
        "status of a loop",
        "while false; do :; done; echo $?; for i in 1; do false; done; echo $?",
    ),
    ("case", "case abc in a*) echo first;; *) echo second;; esac"),
    (
        "case alternatives",
        "case b in a|b) echo ab;; esac; case c in (a|b) echo no;; esac; echo $?",
    ),
    (
        "case with quotes",
        "case '*' in '*') echo star;; esac; case x in '*') echo no;; *) echo other;; esac",
    ),
    (
        "case with variables",
        "p='a*'; case abc in $p) echo match;; esac; case abc in \"$p\") echo no;; *) echo literal;; esac",
    ),
    (
        "case without a match",
        "case x in y) echo no;; esac; echo $?",
    ),
    (
        "case with brackets",
        "for i in 5 x _; do case $i in [0-9]) echo digit;; [a-z]) echo letter;; [!a-z0-9]) echo other;; esac; done",
    ),
    ("function", "f() { echo \"$1-$2 $#\"; }; f a b; f 'c d'"),
    (
        "function status",
        "f() { return 3; }; f; echo $?; g() { false; }; g; echo $?",
    ),
    (
        "function arguments are its own",
        "f() { set -- x; echo $1; }; f y; echo $1",
    ),
    ("function variables are global", "f() { v=1; }; f; echo $v"),
    (
        "function with local variables",
        "v=0; f() { local v=1; echo $v; }; f; echo $v",
    ),
    ("function in a pipeline", "f() { cat; }; echo x | f"),
    (
        "recursive function",
        "f() { [ $1 -le 1 ] && echo 1 && return; echo $(( $1 * $(f $(($1-1))) )); }; f 5",
    ),
    (
        "function with redirection",
        "f() { echo x; } >out; f; cat out; rm out",
    ),
    ("function that is a subshell", "f() ( exit 4 ); f; echo $?"),
    ("assignment", "x=1 y=2; echo $x$y"),
    (
        "assignment before a command",
        "x=1; x=2 sh -c 'echo $x'; echo $x",
    ),
    (
        "assignment with expansion",
        "x=$(echo a b); y=$x; echo \"$y\"",
    ),
    (
        "export",
        "x=1; sh -c 'echo [$x]'; export x; sh -c 'echo [$x]'; export y=2; sh -c 'echo [$y]'",
    ),
    (
        "unset",
        "x=1; unset x; echo ${x-gone}; f() { :; }; unset -f f; f 2>/dev/null; echo $?",
    ),
    ("readonly", "readonly x=1; (x=2) 2>/dev/null; echo $? $x"),
    (
        "eval",
        "x='echo a; echo b'; eval \"$x\"; y=x; eval echo \\$$y",
    ),
    ("eval status", "eval false; echo $?; eval; echo $?"),
    (
        "dot",
        "echo 'echo sourced; v=5' >script; . ./script; echo $v; rm script",
    ),
    (
        "return from a sourced file",
        "echo 'return 6; echo no' >script; . ./script; echo $?; rm script",
    ),
    ("exec replaces", "exec echo replaced; echo no"),
    (
        "exec of a missing command",
        "(exec no-such-command) 2>/dev/null; echo $?",
    ),
    (
        "test strings",
        "[ a = a ] && echo 1; [ a != b ] && echo 2; [ -n x ] && echo 3; [ -z '' ] && echo 4",
    ),
    (
        "test numbers",
        "[ 1 -lt 2 ] && [ 3 -ge 3 ] && [ 2 -ne 3 ] && echo yes",
    ),
    (
        "test files",
        "[ -f a.txt ] && [ -d . ] && [ ! -e none ] && [ -s a.txt ] && echo yes",
    ),
    (
        "test status of an error",
        "[ a -eq 1 ] 2>/dev/null; echo $?",
    ),
    ("read", "read a b; echo \"$a|$b\"; read c; echo \"$c\""),
    ("read raw", "read x; read -r y; echo \"$y\""),
    (
        "read at the end",
        "while read x; do echo \"[$x]\"; done; echo \"$x\"",
    ),
    (
        "read with IFS",
        "echo 'a:b:c:d' | { IFS=: read x y z; echo \"$x|$y|$z\"; }",
    ),
    (
        "read more names than fields",
        "echo one | { read x y; echo \"[$x][$y]\"; }",
    ),
    (
        "read fails at the end of input",
        "read x </dev/null; echo $?",
    ),
    (
        "printf",
        "printf '%s-%s\\n' a b c; printf '%d %x %o\\n' 10 255 8; printf '%5s|%-5s|\\n' a b",
    ),
    (
        "printf escapes",
        "printf 'a\\tb\\n\\101\\n'; printf '%b\\n' 'x\\ty'",
    ),
    (
        "pwd and cd",
        "mkdir d; cd d; x=$PWD; cd ..; [ \"$x\" = \"$(pwd)/d\" ] && echo yes; cd - >/dev/null; [ \"$(pwd)\" = \"$x\" ] && echo back; cd ..; rmdir d",
    ),
    ("cd to nowhere", "cd none 2>/dev/null; echo $?"),
    (
        "set arguments",
        "set -- a 'b c'; echo $# \"$2\"; set x y z; echo $#",
    ),
    ("exit on error", "set -e; echo a; false; echo no"),
    (
        "exit on error not in conditions",
        "set -e; if false; then :; fi; false || true; ! true; while false; do :; done; echo alive",
    ),
    (
        "exit on error in a function",
        "set -e; f() { false; echo no; }; f; echo no",
    ),
    (
        "exit on error not in a tested function",
        "set -e; f() { false; echo yes; }; f || echo no; f && echo and",
    ),
    (
        "exit on error in a subshell",
        "set -e; (false; echo no); echo no",
    ),
    (
        "exit on error in a group before or",
        "set -e; { false; echo yes; } || echo no",
    ),
    (
        "exit on error in a pipeline",
        "set -e; false | true; echo alive; true | false; echo no",
    ),
    (
        "unset is an error with -u",
        "set -u; (echo $none) 2>/dev/null; echo $?; echo ${none-ok}",
    ),
    (
        "background and wait",
        "sleep 0.05 & wait; echo $?; (exit 3) & wait $!; echo $?",
    ),
    (
        "background job number",
        "true & [ -n \"$!\" ] && echo yes; wait",
    ),
    (
        "background lists",
        "{ sleep 0.05; echo late; } & echo early; wait",
    ),
    ("background input is empty", "cat & wait; echo done"),
    ("wait for an unknown process", "wait 999999; echo $?"),
    (
        "killed by a signal",
        "sh -c 'kill -9 $$'; echo $?; sh -c 'kill -TERM $$'; echo $?",
    ),
    (
        "kill a background job",
        "sleep 10 & kill $!; wait $!; echo $?",
    ),
    ("trap on exit", "trap 'echo bye' EXIT; echo hello"),
    ("trap on exit keeps the status", "trap 'echo bye' 0; exit 3"),
    ("trap changes the status", "trap 'exit 9' EXIT; exit 3"),
    (
        "trap of a signal",
        "trap 'echo got' TERM; kill -TERM $$; echo after",
    ),
    (
        "trap ignoring a signal",
        "trap '' TERM; kill -TERM $$; echo alive",
    ),
    ("trap reset", "trap 'echo no' EXIT; trap - EXIT; echo end"),
    (
        "subshell has no exit trap",
        "trap 'echo bye' EXIT; (echo in); echo out",
    ),
    ("subshell trap", "(trap 'echo sub' EXIT; echo in); echo out"),
    (
        "trap interrupts waiting",
        "trap 'echo got' USR1; (sleep 0.05; kill -USR1 $$) & wait $!; wait; echo end",
    ),
    (
        "shell process number",
        "[ $$ = $(echo $$) ] && echo same; (echo $$) | grep -q \"^$$\\$\" && echo same",
    ),
    ("comments", "echo a # comment\n# whole line\necho b#c"),
    ("semicolons and newlines", "echo a;echo b\n\n\necho c"),
    (
        "reserved words as arguments",
        "echo if then else fi do done while for case esac in { } !",
    ),
    (
        "nested structures",
        "for i in 1 2; do if [ $i = 1 ]; then case $i in 1) while :; do echo in; break; done;; esac; else echo else; fi; done",
    ),
    ("syntax errors", "eval 'if' 2>/dev/null; echo no"),
    (
        "syntax error in a substitution of text",
        "(eval 'fi') 2>/dev/null; echo $?",
    ),
    (
        "commands before a syntax error run",
        "echo first\nfi 2>/dev/null\necho no",
    ),
    ("colon", ": a b; echo $?; : ${x:=1}; echo $x"),
    ("true and false", "true; echo $?; false; echo $?"),
    ("command -v", "command -v cd; command -v no-such; echo $?"),
    (
        "command skips functions",
        "echo() { printf 'function\\n'; }; echo a; command echo b",
    ),
    ("umask", "umask 027; umask; umask 022"),
    (
        "special assignments stay",
        "x=1 :; echo $x; x=2 true; echo $x",
    ),
    (
        "long pipelines",
        "seq 1000 | sort -rn | head -n 3 | tail -n 1 | cat | cat | cat",
    ),
    ("a reader that ends early", "yes | head -n 2"),
    (
        "large output through a substitution",
        "x=$(seq 20000); echo ${#x}",
    ),
    (
        "many processes",
        "i=0; while [ $i -lt 50 ]; do (exit 0) & i=$((i+1)); done; wait; echo $i",
    ),
    ("non-ASCII text", "x=größe; echo \"$x\" ${x%ße}"),
    (
        "bytes that are no text",
        "printf '\\377\\376' | od -An -tx1; x=$(printf '\\377'); printf %s \"$x\" | od -An -tx1",
    ),
    (
        "a glob as a loop list",
        "for f in *.txt; do cat \"$f\"; done",
    ),
    (
        "names with blanks",
        "for f in *; do echo \"[$f]\"; done; cat 'c d'",
    ),
    ("dollar alone", "echo $ \"$\" a$ $%"),
    (
        "exit in a subshell of a pipeline",
        "(exit 3) | cat; echo $?; echo x | (cat; exit 4); echo $?",
    ),
    ("the last status in arithmetic", "false; echo $(($?+1))"),
    (
        "option letters",
        "set -e; case $- in *e*) echo on;; esac; set +e; case $- in *e*) echo no;; *) echo off;; esac",
    ),
];
