//! The process is ended without warning before and after each call that changes something; going on
//! then registers the name, and pays for it once.

use crate::atname::{Atname, Running};
use crate::register::{KEY, funded, journals, mine_until_done, paid, start};
use atname_tests::proxy::{Proxy, Side};
use std::process::Stdio;

/// Ends `register` at its `number`th changing call; `None` where it got through, else the call.
fn register(
    atname: &Atname,
    node: &atname_tests::bitcoind::Bitcoind,
    name: &str,
    number: usize,
    side: Side,
) -> Option<String> {
    let proxy = Proxy::start(&node.url(), number, side).unwrap();
    let mut command = atname.command(&["--node", &proxy.url()]);
    command
        .args(["register", name, "--key", KEY, "--yes"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut running = Running(command.spawn().unwrap());
    proxy.aim(running.0.id());
    mine_until_done(node, &mut running);
    proxy.killed_at()
}

fn killed(side: Side) {
    let node = funded();
    let mut calls = Vec::new();
    for number in 1.. {
        let atname = Atname::with_cookie(&node);
        let name = format!("cjb{number}");
        let before = paid(&node).0;
        let Some(call) = register(&atname, &node, &name, number, side) else {
            break;
        };
        calls.push(call.clone());
        let url = node.url();
        let direct = ["--node", &url];
        // Before the journal there is nothing to resume, and nothing was sent.
        if journals(&atname) == 0 {
            assert_eq!(paid(&node).0, before, "{number}: {call}");
            let mut again = start(
                &atname,
                &[&direct[..], &["register", &name, "--key", KEY, "--yes"]].concat(),
            );
            assert_eq!(mine_until_done(&node, &mut again), 0, "{number}: {call}");
        } else {
            let mut again = start(&atname, &[&direct[..], &["resume"]].concat());
            assert_eq!(mine_until_done(&node, &mut again), 0, "{number}: {call}");
        }
        let resolve = [&direct[..], &["resolve", &name]].concat();
        assert_eq!(
            atname.done(&resolve),
            format!("{KEY}\n"),
            "{number}: {call}"
        );
        assert_eq!(paid(&node).0, before + 2, "{number}: {call}");
        assert_eq!(journals(&atname), 0);
    }
    // The journey has passed all of them.
    for call in ["getnewaddress", "sendrawtransaction", "lockunspent"] {
        assert!(calls.iter().any(|passed| passed == call), "{calls:?}");
    }
    let sent = calls.iter().filter(|call| *call == "sendrawtransaction");
    assert_eq!(sent.count(), 2, "{calls:?}");
}

#[test]
fn before_each_call_that_changes_something() {
    killed(Side::Before);
}

#[test]
fn after_each_call_that_changes_something() {
    killed(Side::After);
}
