//! What blocks made to hurt take, in full size: `cargo run --release -p atname-tests --example hurtful`.

use atname_tests::hurtful::{
    Story, equal_reservations, long_script, many_outputs, one_name, opened_at_once, own_time,
    owner_coins, payments, records_ignored, tiny_outputs,
};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!(
        "| what | size | MB | effects | connected, s | MB/s | taken back, s | database, MB | of 4 times a quarter |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    type Tell = fn(usize) -> Result<Story, atname_protocol::NameError>;
    let stories: [(Tell, usize); 9] = [
        (many_outputs, 100_000),
        (tiny_outputs, 1_000_000),
        (|size| Ok(payments(size)), 100_000),
        (records_ignored, 65_000),
        (one_name, 65_000),
        (equal_reservations, 10_000),
        (opened_at_once, 100_000),
        (owner_coins, 10_000),
        (long_script, 30_000),
    ];
    for (tell, size) in stories {
        let quarter = tell(size / 4)?.tell().took(own_time)?;
        let story = tell(size)?;
        let name = story.name;
        let took = story.tell().took(own_time)?;
        let seconds = took.connect.as_secs_f64();
        let megabytes = took.bytes as f64 / 1e6;
        println!(
            "| {name} | {size} | {megabytes:.2} | {} | {seconds:.2} | {:.1} | {:.2} | {:.1} | {:.2} |",
            took.effects,
            megabytes / seconds,
            took.disconnect.as_secs_f64(),
            took.grown as f64 / 1e6,
            seconds / quarter.connect.as_secs_f64() / 4.0,
        );
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(peak) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
        println!(
            "\npeak memory, the blocks themselves included: {}",
            peak.trim()
        );
    }
    Ok(())
}
