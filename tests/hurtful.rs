//! Blocks made to hurt are indexed and disconnected in time that grows no worse than their size, and
//! what is in the registry then is what has to be there. (`examples/hurtful.rs` has them in full size,
//! with figures.)

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test that cannot go on has failed"
)]

use atname_store::Writer;
use atname_tests::hurtful::{Told, own_time, params, stories};
use atname_tests::registry::dump;
use std::time::Duration;

/// Four times the size takes four times as long where work follows size, and sixteen times as long
/// where each has to do with each. What the machine does besides makes no difference of two.
const BOUND: f64 = 8.0;

/// What takes less can take any multiple of itself.
const NOTHING: Duration = Duration::from_millis(2);

fn ratio(large: [Duration; 2], small: [Duration; 2]) -> f64 {
    let least = |times: [Duration; 2]| (times.into_iter().min().unwrap() + NOTHING).as_secs_f64();
    least(large) / least(small)
}

#[test]
fn time_grows_no_worse_than_size() {
    let small = stories(1000).unwrap();
    let large = stories(4000).unwrap();
    for (small, large) in small.into_iter().zip(large) {
        let name = small.name;
        let (small, large) = (small.tell(), large.tell());
        let took = |told: &Told| [(); 2].map(|()| told.took(own_time).unwrap());
        let (small, large) = (took(&small), took(&large));
        let connect = ratio(large.map(|t| t.connect), small.map(|t| t.connect));
        let disconnect = ratio(large.map(|t| t.disconnect), small.map(|t| t.disconnect));
        assert!(
            connect < BOUND,
            "{name}: connected in {connect} times the time"
        );
        assert!(
            disconnect < BOUND,
            "{name}: disconnected in {disconnect} times the time"
        );
    }
}

#[test]
fn what_hurts_is_taken_back_and_comes_again_to_the_last_row() {
    for story in stories(1000).unwrap() {
        let name = story.name;
        let told = story.tell();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("atname.sqlite");
        let mut writer = Writer::open(&path, &params()).unwrap();
        told.prepare(&mut writer).unwrap();
        let before = dump(&path).unwrap();
        told.hurt(&mut writer).unwrap();
        let hurt = dump(&path).unwrap();
        told.heal(&mut writer).unwrap();
        assert!(dump(&path).unwrap() == before, "{name}: not as before");
        told.hurt(&mut writer).unwrap();
        assert!(dump(&path).unwrap() == hurt, "{name}: not as at first");
    }
}
