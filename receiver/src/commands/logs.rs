//! `log inspect` and `log verify`.

use super::{LogArgs, of, say};
use penstock_batcher::log::verify::{Report, VerifyError, folders};
use std::io::{self, Write};
use std::path::Path;

#[cfg(test)]
mod tests;

/// Tells of every log below a folder; true when all are sound.
pub(super) fn tell(
    args: &LogArgs,
    look: fn(&Path) -> Result<Report, VerifyError>,
) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    let sound = tell_to(&mut out, args, look)?;
    out.flush()?;
    Ok(sound)
}

fn tell_to(
    out: &mut impl Write,
    LogArgs { directory, json }: &LogArgs,
    look: fn(&Path) -> Result<Report, VerifyError>,
) -> io::Result<bool> {
    let folders = folders(directory).map_err(|error| of(directory, &error))?;
    if folders.is_empty() {
        let nothing = io::Error::new(io::ErrorKind::NotFound, "no log in it or below it");
        return Err(of(directory, &nothing));
    }
    let mut sound = true;
    for folder in folders {
        match look(&folder) {
            Ok(report) => {
                sound &= report.is_sound();
                if *json {
                    serde_json::to_writer(&mut *out, &report)?;
                    writeln!(out)?;
                } else {
                    writeln!(out, "{report}")?;
                }
            }
            Err(error) => {
                sound = false;
                say(&error);
            }
        }
    }
    Ok(sound)
}
