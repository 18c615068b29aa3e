//! What a run leaves behind: Markdown for people, JSON with all figures behind it.

use super::figures::Verdict;
use super::machine;
use super::rig::Lab;
use crate::fail::Outcome;
use serde_json::{Value, json};
use std::fs;

/// A table in Markdown.
pub(super) struct Table(String);

impl Table {
    pub(super) fn new(columns: &[&str]) -> Self {
        let rule = "---|".repeat(columns.len());
        Self(format!("| {} |\n|{rule}\n", columns.join(" | ")))
    }

    pub(super) fn row(&mut self, cells: &[String]) {
        self.0.push_str(&format!("| {} |\n", cells.join(" | ")));
    }

    pub(super) fn text(self) -> String {
        self.0
    }
}

/// The parts of a report, in their order.
#[derive(Default)]
pub(super) struct Report {
    parts: Vec<String>,
    figures: Vec<Value>,
    verdicts: Vec<Verdict>,
}

impl Report {
    pub(super) fn add(&mut self, markdown: String, figures: Value, verdicts: Vec<Verdict>) {
        self.parts.push(markdown);
        self.figures.push(figures);
        self.verdicts.extend(verdicts);
    }

    /// Judges nothing: the figures mean nothing.
    pub(super) fn acquit(&mut self) {
        self.verdicts.clear();
    }

    /// Targets that were missed.
    pub(super) fn missed(&self) -> usize {
        let missed = self.verdicts.iter().filter(|verdict| !verdict.met());
        missed.count()
    }

    /// Prints the report and writes it to the lab's folder.
    pub(super) fn publish(&self, lab: &Lab, title: &str, conditions: &str) -> Outcome {
        let machine = machine::describe();
        let mut text = format!(
            "# {title}\n\n{machine} {} {conditions}\n\n",
            lab.cores.describe()
        );
        if !self.verdicts.is_empty() {
            let mut table = Table::new(&["target", "figure", "asked for", ""]);
            for verdict in &self.verdicts {
                let sign = if verdict.at_least { ">=" } else { "<=" };
                table.row(&[
                    verdict.what.clone(),
                    format!("{:.3}", verdict.figure),
                    format!("{sign} {:.3}", verdict.target),
                    (if verdict.met() { "met" } else { "MISSED" }).to_owned(),
                ]);
            }
            text.push_str(&format!("## Targets\n\n{}\n", table.text()));
        }
        for part in &self.parts {
            text.push_str(part);
            text.push('\n');
        }
        let verdicts: Vec<_> = self.verdicts.iter().map(Verdict::json).collect();
        let figures = json!({"machine": machine, "conditions": conditions, "parts": self.figures, "targets": verdicts});
        println!("\n{text}");
        fs::write(lab.folder.join("report.md"), text)?;
        let json = serde_json::to_vec_pretty(&figures)?;
        fs::write(lab.folder.join("report.json"), json)?;
        println!("also in {}/report.{{md,json}}", lab.folder.display());
        Ok(())
    }
}
