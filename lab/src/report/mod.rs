//! One HTML file from files of figures: works offline, asks nobody for anything, and is the same to the byte for the same figures.
//!
//! `records` finds figures by system, suite and name; `fit` and `crossing` compute; `html`, `chart`, `bars` and `histogram` write;
//! each other module is a section. Nothing here boots, measures or converts: what a file lacks is shown as lacking, and
//! instructions stay instructions.

mod bars;
mod chart;
mod crossing;
mod fit;
mod histogram;
mod html;
mod latency;
mod model;
mod probes;
mod reading;
mod records;
mod seeds;
mod sizes;
mod systems;

use anyhow::Result;

use crate::figure::{Figure, Header};
use crate::machine::System;
use html::escape;
use records::Records;

const STYLE: &str = include_str!("style.css");

/// A section: what the contents call it, and what it says.
struct Section {
    id: &'static str,
    title: &'static str,
    body: String,
}

/// The report of all that `files` hold.
///
/// # Errors
/// If a figure cannot be read, or two files have different ones of the same thing.
pub fn render(files: &[(Header, Vec<Figure>)]) -> Result<String> {
    let records = Records::of(files)?;
    let headers: Vec<&Header> = files.iter().map(|(header, _)| header).collect();
    let sections = [
        reading::section(&headers),
        systems::section(&records),
        seeds::section(&records),
        latency::section(&records),
        sizes::section(&records),
        model::section(&records),
        probes::ablation(&records),
        probes::herd(&records),
        probes::growth(&records),
        reading::limits(&records),
    ];
    let contents: String =
        sections.iter().map(|it| format!("<li><a href=\"#{}\">{}</a></li>\n", it.id, escape(it.title))).collect();
    let body: String = sections
        .iter()
        .map(|it| format!("<section id=\"{0}\">\n<h2>{1}</h2>\n{2}</section>\n", it.id, escape(it.title), it.body))
        .collect();
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n\
         <title>Postern: what inter-process communication costs</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>What inter-process communication costs</h1>\n\
         <p>One static program on two kernels, on one emulated machine, counted in guest instructions.</p>\n\
         </header>\n<nav aria-label=\"Contents\">\n<ol>\n{contents}</ol>\n</nav>\n<main>\n{body}</main>\n</body>\n</html>\n"
    ))
}

/// As it is written in headings.
const fn title_of(system: System) -> &'static str {
    match system {
        System::Linux => "Linux",
        System::Postern => "Postern",
    }
}

/// Both systems, in the order of the columns.
const SYSTEMS: [System; 2] = [System::Linux, System::Postern];

#[cfg(test)]
mod tests {
    use super::{Figure, Header, System, render};
    use crate::figure::printed;
    use crate::machine::Clock;
    use crate::report::fit::explained;

    fn header() -> Header {
        Header {
            schema: 3,
            commit: "0123abc".into(),
            qemu: "QEMU emulator version 7.2.22".into(),
            pins: vec!["--linux --bench".into(), "--bench".into()],
            linux: Some("Linux version 6.12 <test>".into()),
        }
    }

    fn line(name: &str, cost: &str) -> String {
        let mut parts = name.split('/');
        let (mechanism, load, size) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap_or("null"));
        format!(
            r#"{{"schema":1,"benchmark":"{name}","mechanism":"{mechanism}","load":"{load}","size_bytes":{size},"status":"ok","operations":10,"per_operation":{cost},"samples":10,"min":{cost},"median":{cost},"p90":{cost},"p99":{cost},"max":90000,"deviation":3,"histogram":[[512,544,9],[88064,90112,1]],"error":null}}"#
        )
    }

    fn figure(system: System, suite: &str, cpus: Option<u32>, line: &str) -> Figure {
        let figure = printed(system, Clock::Instructions, line).unwrap().remove(0);
        Figure { suite: (!suite.is_empty()).then(|| suite.to_owned()), cpus, ..figure }
    }

    /// A little of everything.
    pub fn fixture() -> (Header, Vec<Figure>) {
        use System::{Linux, Postern};
        let absent = r#"{"schema":1,"benchmark":"hello/latency/1","mechanism":"hello","load":"latency","size_bytes":1,"status":"skipped","per_operation":null,"error":"no /dev/hello"}"#;
        let herd = |waiters: u32, cost: u32| {
            format!(
                r#"{{"schema":1,"suite":"herd","table":"hello, exclusive on","row":"{waiters}","unit":"instructions","figures":{{"instr/event":{cost}.0,"wakes":1.0,"for nothing":null,"switches":2.0}}}}"#
            )
        };
        let together = |times: &str| {
            let line = format!(
                r#"{{"schema":2,"suite":"cpus","table":"pipe","row":"2","unit":"ns","figures":{{"per second":52785.0,"times one":{times},"least":1.17,"most":3.5,"of the loops'":0.98}}}}"#
            );
            Figure { clock: Clock::WallClock, ..figure(Postern, "cpus", None, &line) }
        };
        let figures = vec![
            together("1.9"),
            figure(Linux, "", None, &line("pipe/latency/1", "12516.0")),
            figure(Postern, "", None, &line("pipe/latency/1", "2217.0")),
            figure(Linux, "", None, absent),
            figure(Postern, "", None, &line("hello/latency/1", "2213.0")),
            figure(Postern, "", None, &line("syscall/null", "77.0")),
            figure(Postern, "", Some(2), &line("pipe/latency/1", "2220.0")),
            figure(Postern, "sweep", None, &line("pipe/stream/1", "600.0")),
            figure(Postern, "sweep", None, &line("pipe/stream/4096", "2400.0")),
            figure(Postern, "sweep", None, &line("shm/stream/1", "700.0")),
            figure(Postern, "sweep", None, &line("shm/stream/4096", "1600.0")),
            figure(Postern, "seed-000", None, &line("pipe/table-2/256", "800.0")),
            figure(Postern, "seed-000", None, &line("shm/table-2/256", "400.0")),
            figure(Postern, "herd", None, &herd(1, 2153)),
            figure(Postern, "herd", None, &herd(64, 2212)),
        ];
        (header(), figures)
    }

    /// Figures of `mechanism` on Postern that are made of exactly these terms: entry, path, wake-up, byte.
    pub fn swept(mechanism: &str, terms: [f64; 4], (own, trip): ([f64; 2], [f64; 2])) -> (Header, Vec<Figure>) {
        let figure = |name: &str, counts: [f64; 4]| {
            figure(System::Postern, "sweep", None, &line(name, &format!("{:.3}", explained(&counts, &terms))))
        };
        let mut figures = vec![figure("syscall/null", [1.0, 0.0, 0.0, 0.0])];
        for size in [1_u32, 64, 1024, 4096] {
            let bytes = f64::from(size);
            figures.push(figure(&format!("{mechanism}/write-read/{size}"), [own[0], own[1], 0.0, 2.0 * bytes]));
            figures.push(figure(&format!("{mechanism}/latency/{size}"), [trip[0], trip[1], 2.0, 4.0 * bytes]));
        }
        (header(), figures)
    }

    /// Each element that is opened is closed, in the order of their nesting.
    fn check_nesting(html: &str) {
        const EMPTY: [&str; 2] = ["meta", "link"];
        let mut open: Vec<&str> = Vec::new();
        for tag in html.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
            let name = tag.split([' ', '\n']).next().unwrap();
            if let Some(closed) = name.strip_prefix('/') {
                assert_eq!(open.pop(), Some(closed), "</{closed}>");
            } else if !tag.ends_with('/') && !name.starts_with('!') && !EMPTY.contains(&name) {
                open.push(name);
            }
        }
        assert_eq!(open, Vec::<&str>::new());
    }

    #[test]
    fn a_report_is_whole_and_asks_nobody_for_anything() {
        for files in [vec![fixture()], vec![(header(), Vec::new())], Vec::new()] {
            let html = render(&files).unwrap();
            check_nesting(&html);
            for outside in ["http:", "https:", "src=", "url(", "@import", "<script"] {
                assert!(!html.contains(outside), "{outside}");
            }
            assert!(!html.contains("NaN") && !html.contains("inf\""), "no place is nowhere");
        }
    }

    #[test]
    fn every_drawing_has_a_title_and_a_table_and_every_link_a_target() {
        let html = render(&[fixture()]).unwrap();
        let figures: Vec<&str> =
            html.split("<figure>").skip(1).map(|it| it.split("</figure>").next().unwrap()).collect();
        assert!(figures.len() >= 4, "{}", figures.len());
        for figure in figures {
            assert!(
                figure.contains("<title id=") && figure.contains("<desc id=") && figure.contains("<table>"),
                "{figure}"
            );
        }
        let targets = html.split("href=\"#").skip(1).map(|it| it.split('"').next().unwrap());
        for target in targets {
            assert_eq!(html.matches(&format!("id=\"{target}\"")).count(), 1, "{target}");
        }
    }

    #[test]
    fn figures_stand_in_the_report_and_what_is_lacking_is_said() {
        let html = render(&[fixture()]).unwrap();
        for part in [
            "12,516",
            "2,217",
            ">5.65<",
            "no /dev/hello",
            "0123abc",
            "7.2.22",
            "&lt;test&gt;",
            "pipe and shm cross between 1 B and 4 KiB",
            "1.90 (1.17 to 3.50)",
            "<title>pipe, Linux: 9 of 10 from 512 and below 544</title>",
        ] {
            assert!(html.contains(part), "{part}");
        }
        let nothing = render(&[(header(), Vec::new())]).unwrap();
        assert!(nothing.contains("not measured"));
    }

    #[test]
    fn instructions_are_never_printed_as_time() {
        let html = render(&[fixture()]).unwrap();
        for unit in [" ns<", " ns,", "nanoseconds per", "MB/s", "ms per"] {
            assert!(!html.contains(unit), "{unit}");
        }
    }

    #[test]
    fn the_same_figures_make_the_same_bytes() {
        assert_eq!(render(&[fixture()]).unwrap(), render(&[fixture()]).unwrap());
    }
}
