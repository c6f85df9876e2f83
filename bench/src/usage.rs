//! CPU time and memory of a process, as Linux tells them.

use std::fs;
use std::io;

/// The clock of `/proc/PID/stat` on every Linux that we know.
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds of CPU that a process has used, its threads included.
///
/// # Errors
/// Where there is no such process, or no `/proc`.
pub fn cpu_seconds(pid: u32) -> io::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of the program is in parentheses, and may hold anything.
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_ascii_whitespace().collect())
        .unwrap_or_default();
    let ticks = |at: usize| -> f64 {
        let field = fields.get(at).copied().unwrap_or_default();
        field.parse().unwrap_or_default()
    };
    Ok((ticks(11) + ticks(12)) / TICKS_PER_SECOND)
}

/// The most memory that a process has had in RAM, in MiB.
///
/// # Errors
/// Where there is no such process, or no `/proc`.
pub fn peak_mebibytes(pid: u32) -> io::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kibibytes: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .and_then(|number| number.trim().parse().ok())
        .unwrap_or_default();
    Ok(kibibytes / 1024.0)
}
