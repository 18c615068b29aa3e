//! `validate` and `print-config`: a configuration looked at without anything being started.
//!
//! *Invariant:* opens no socket and no folder; reads the configuration and the environment only.

use super::{ConfigTool, Format};
use crate::args::ConfigArgs;
use penstock_settings::diagnostic::{report, report_json};
use penstock_settings::{Checked, Environment, Kind, check};
use std::io::{self, Write};

#[cfg(test)]
mod tests;

/// Does it on standard output; true when the configuration can be used.
pub(super) fn tell(tool: &ConfigTool) -> io::Result<bool> {
    let environment = Environment::of_process();
    let mut out = io::stdout().lock();
    let valid = match tool {
        ConfigTool::Validate {
            config,
            format,
            strict,
        } => validate(&mut out, &look(config, &environment), *format, *strict)?,
        ConfigTool::PrintConfig { config } => {
            print(&mut out, &mut io::stderr(), &look(config, &environment))?
        }
    };
    out.flush()?;
    Ok(valid)
}

fn look(config: &ConfigArgs, environment: &Environment) -> Checked {
    check(&config.sources(), environment)
}

fn validate(
    out: &mut impl Write,
    checked: &Checked,
    format: Format,
    strict: bool,
) -> io::Result<bool> {
    match format {
        Format::Text => out.write_all(report(&checked.diagnostics).as_bytes())?,
        Format::Json => writeln!(out, "{:#}", report_json(&checked.diagnostics))?,
    }
    let mut found = checked.diagnostics.iter();
    let warned = found.any(|found| found.kind == Kind::Warning);
    Ok(checked.settings.is_some() && !(strict && warned))
}

/// What can be read is printed, even if it cannot be used: somebody wants to know why.
fn print(out: &mut impl Write, said: &mut impl Write, checked: &Checked) -> io::Result<bool> {
    if let Some(merged) = checked.merged() {
        out.write_all(merged.as_bytes())?;
    }
    if checked.settings.is_none() {
        said.write_all(checked.faults().report().as_bytes())?;
    }
    Ok(checked.settings.is_some())
}
