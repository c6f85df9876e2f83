//! Serves a database over HTTP: `cargo run -p atname-server --example serve -- FILE ADDR:PORT`.

use atname_server::{Config, Server};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, listen] = arguments.as_slice() else {
        return Err("usage: serve FILE ADDR:PORT".into());
    };
    let server = Server::bind(Config::new(file, listen.parse()?))?;
    println!("http://{}", server.local_addr());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(server.run(std::future::pending()))?;
    Ok(())
}
