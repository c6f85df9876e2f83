//! Makes a large chain.
use std::time::Instant;
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (what, path) = (args.next().ok_or("WHAT")?, args.next().ok_or("FILE")?);
    if what == "make" {
        let mut out = std::io::BufWriter::new(std::fs::File::create(path)?);
        let size = atname_bench::large::write(1101, &mut out)?;
        println!("{size:?}");
        return Ok(());
    }
    let started = Instant::now();
    let file = std::fs::File::open(path)?;
    let mut file = std::io::BufReader::with_capacity(1 << 20, file);
    let mut buf = Vec::new();
    let mut n = 0u64;
    let mut head = [0u8; 8];
    use std::io::Read;
    while file.read_exact(&mut head).is_ok() {
        let len = u32::from_le_bytes(head[4..].try_into()?) as usize;
        buf.resize(len, 0);
        file.read_exact(&mut buf)?;
        if what == "walk" {
            let block: bitcoin::Block = bitcoin::consensus::deserialize(&buf)?;
            for tx in &block.txdata {
                for out in &tx.output {
                    n += out.script_pubkey.is_op_return() as u64;
                }
            }
        } else {
            n += buf[0] as u64;
        }
    }
    println!(
        "{what} {n} {:.3} s, cpu {:.2}",
        started.elapsed().as_secs_f64(),
        atname_bench::usage::cpu_seconds(std::process::id())?
    );
    Ok(())
}
