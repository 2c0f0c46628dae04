//! What a transfer is made of: the way into the kernel, the path of a call, a byte's copy, a wake-up with its switch; fitted to
//! each mechanism's figures on each system by least squares, with what is left.

use super::bars::{Stack, Words, stacked};
use super::crossing::as_f64;
use super::fit::{Observation, costs, explained};
use super::html::{Table, figure, missing, paragraph, whole};
use super::records::{MECHANISMS, Records};
use super::{SYSTEMS, Section, title_of};
use crate::machine::System;

const SUITE: &str = "sweep";
/// Sizes of what is fitted: above a page a message is no longer one piece for everything.
const LARGEST: u64 = 4096;

/// How often a mechanism enters the kernel, and goes through its own path, in a write and read of its own and in a round trip.
#[derive(Clone, Copy)]
struct Shape {
    own: [f64; 2],
    trip: [f64; 2],
}

/// By what each mechanism's code does: a descriptor is one call each way; splice moves between two pipes, one call more for each
/// end; rings in memory enter only to wake and to sleep; a futex's sender always enters, its receiver only to sleep.
fn shape(mechanism: &str) -> Option<Shape> {
    Some(match mechanism {
        "pipe" | "fifo" | "unix-stream" | "unix-dgram" | "unix-seqpacket" | "eventfd" | "myipc" | "hello" => {
            Shape { own: [2.0, 2.0], trip: [4.0, 4.0] }
        }
        "hello-splice" => Shape { own: [4.0, 4.0], trip: [8.0, 8.0] },
        "shm" | "shm-futex" | "hello-mmap" => Shape { own: [0.0, 2.0], trip: [4.0, 4.0] },
        "futex" => Shape { own: [1.0, 1.0], trip: [4.0, 4.0] },
        _ => return None,
    })
}

/// The terms of one mechanism on one system.
struct Fit {
    mechanism: &'static str,
    system: System,
    /// Entry, path, wake-up, and a byte's copy if sizes differ.
    terms: Vec<f64>,
    shape: Shape,
    /// Name, measured, fitted.
    rows: Vec<(String, f64, f64)>,
}

fn fit(records: &Records, system: System, mechanism: &'static str) -> Option<Fit> {
    let shape = shape(mechanism)?;
    let mut measured =
        vec![("syscall/null".to_owned(), [1.0, 0.0, 0.0, 0.0], records.cost(system, SUITE, "syscall/null")?)];
    for (load, [entries, paths], wakes, copies) in
        [("write-read", shape.own, 0.0, 2.0), ("latency", shape.trip, 2.0, 4.0)]
    {
        for (size, cost) in records.by_size(system, SUITE, mechanism, load) {
            if size <= LARGEST {
                measured.push((format!("{load}/{size}"), [entries, paths, wakes, copies * as_f64(size)], cost));
            }
        }
    }
    // Where all messages are of one byte, nothing tells the copy from the path.
    let terms = if measured.len() > 3 { 4 } else { 3 };
    let of =
        |(_, counts, cost): &(String, [f64; 4], f64)| Observation { counts: counts[..terms].to_vec(), cost: *cost };
    let observations: Vec<Observation> = measured.iter().map(of).collect();
    let terms = costs(&observations)?;
    let row = |(name, counts, cost): &(String, [f64; 4], f64)| {
        (name.clone(), *cost, explained(&counts[..terms.len()], &terms))
    };
    Some(Fit { mechanism, system, rows: measured.iter().map(row).collect(), terms, shape })
}

impl Fit {
    /// The largest residual, and the largest in percent of what was measured.
    fn residuals(&self) -> (f64, f64) {
        let absolute = self.rows.iter().map(|(_, cost, fitted)| (cost - fitted).abs());
        let relative = self.rows.iter().map(|(_, cost, fitted)| ((cost - fitted) / cost).abs() * 100.0);
        (absolute.fold(0.0, f64::max), relative.fold(0.0, f64::max))
    }

    /// What of a round trip of one byte each term makes.
    fn of_trip(&self) -> [f64; 4] {
        let [entries, paths] = self.shape.trip;
        let copy = self.terms.get(3).map_or(0.0, |copy| 4.0 * copy);
        [entries * self.terms[0], paths * self.terms[1], 2.0 * self.terms[2], copy]
    }

    fn name(&self) -> String {
        format!("{}, {}", self.mechanism, title_of(self.system))
    }
}

/// The section.
pub fn section(records: &Records) -> Section {
    let fits: Vec<Fit> = MECHANISMS
        .into_iter()
        .flat_map(|mechanism| SYSTEMS.map(|system| (mechanism, system)))
        .filter_map(|(mechanism, system)| fit(records, system, mechanism))
        .collect();
    let mut body = paragraph(
        "Four terms: S, into the kernel and back; P, the path of a call, with its descriptor, lock, ring and whom to wake; C, a byte \
         copied; W, a wake-up with the switch to the woken and all that sleeping costs besides. A write and a read of L bytes are \
         2 S + 2 P + 2 L C, a round trip is 4 S + 4 P + 4 L C + 2 W. hello-splice makes twice as many calls; rings in shared memory make \
         none but to wake and to sleep; a futex's sender always makes one. The terms are those for which the squares of what is left of \
         all figures up to 4 KiB come to the least. Where only single bytes are carried C cannot be told from P, and three terms \
         explain three figures with nothing left, which proves nothing.",
    );
    if fits.is_empty() {
        body = missing("The sweep over sizes was not measured.");
    } else {
        body.push_str(&bars(&fits));
        body.push_str(&terms(&fits).html());
        body.push_str(&rests(&fits).folded());
    }
    Section { id: "model", title: "What a transfer is made of: four terms", body }
}

fn bars(fits: &[Fit]) -> String {
    let head = ["mechanism and system", "entry", "path", "wake and switch", "copy"];
    let mut table = Table::new("Instructions of a round trip of one byte, by the model", &head);
    let mut rows = Vec::new();
    for fit in fits {
        let parts = fit.of_trip();
        let mut cells = vec![fit.name()];
        cells.extend(parts.iter().map(|part| figure(*part)));
        table.row(cells);
        // A term below 0 is no length.
        if parts.iter().all(|part| *part >= 0.0) {
            let note = whole(parts.iter().sum::<f64>());
            rows.push(Stack { name: fit.name(), parts: parts.into_iter().enumerate().collect(), note });
        }
    }
    let words = Words {
        id: "terms",
        title: "A round trip of one byte, by the model",
        axis: "instructions per round trip",
        legend: &[(0, "entry"), (1, "path"), (2, "wake and switch"), (3, "copy")],
    };
    stacked(&words, &rows, &table)
}

fn terms(fits: &[Fit]) -> Table {
    let head = [
        "mechanism and system",
        "S",
        "P",
        "C, a byte",
        "W",
        "figures",
        "largest residual",
        "largest, %",
        "two W of a round trip of 1 B, %",
    ];
    let mut table = Table::new("The terms, in instructions", &head);
    for fit in fits {
        let (absolute, relative) = fit.residuals();
        let trip = fit.of_trip();
        let copy = fit.terms.get(3).map_or_else(|| super::html::NONE.to_owned(), |copy| format!("{copy:.3}"));
        table.row(vec![
            fit.name(),
            figure(fit.terms[0]),
            figure(fit.terms[1]),
            copy,
            figure(fit.terms[2]),
            fit.rows.len().to_string(),
            format!("{absolute:.1}"),
            format!("{relative:.1}"),
            format!("{:.0}", trip[2] / trip.iter().sum::<f64>() * 100.0),
        ]);
    }
    table
}

fn rests(fits: &[Fit]) -> Table {
    let head = ["mechanism and system", "figure", "measured", "by the model", "residual", "residual, %"];
    let mut table = Table::new("Every figure of the fits, and what is left of it, in instructions", &head).text(&[1]);
    for fit in fits {
        for (name, cost, fitted) in &fit.rows {
            let rest = cost - fitted;
            let percent = format!("{:.1}", rest / cost * 100.0).replace('-', "−");
            // Below a tenth it is the arithmetic's.
            let rest = figure((rest * 10.0).round() / 10.0);
            table.row(vec![fit.name(), name.clone(), figure(*cost), figure(*fitted), rest, percent]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::records::Records;
    use super::super::tests::swept;
    use super::fit;
    use crate::machine::System::{Linux, Postern};

    #[test]
    fn terms_that_made_the_figures_are_found_again() {
        let records = Records::of(&[swept("pipe", [77.0, 272.0, 419.0, 0.2], ([2.0, 2.0], [4.0, 4.0]))]).unwrap();
        let fit = fit(&records, Postern, "pipe").unwrap();
        for (found, term) in fit.terms.iter().zip([77.0, 272.0, 419.0, 0.2]) {
            assert!((found - term).abs() < 1e-3, "{:?}", fit.terms);
        }
        assert!(fit.residuals().0 < 0.1, "what ipcbench rounds away: {}", fit.residuals().0);
        assert!((fit.of_trip()[2] - 838.0).abs() < 0.1);
    }

    #[test]
    fn a_ring_in_memory_enters_only_to_wake_and_to_sleep() {
        let made = swept("shm-futex", [77.0, 100.0, 800.0, 0.2], ([0.0, 2.0], [4.0, 4.0]));
        let fit = fit(&Records::of(&[made]).unwrap(), Postern, "shm-futex").unwrap();
        assert!((fit.terms[1] - 100.0).abs() < 0.1 && (fit.terms[2] - 800.0).abs() < 0.1, "{:?}", fit.terms);
    }

    #[test]
    fn nothing_is_fitted_to_what_was_not_measured() {
        let records = Records::of(&[swept("pipe", [77.0, 272.0, 419.0, 0.2], ([2.0, 2.0], [4.0, 4.0]))]).unwrap();
        assert!(fit(&records, Linux, "pipe").is_none() && fit(&records, Postern, "hello").is_none());
        assert!(fit(&records, Postern, "calibration").is_none());
    }
}
