//! What a profile shows, and what is not made.

use super::encode::Profile;
use super::*;
use flate2::read::GzDecoder;
use prost::Message;
use std::hint::black_box;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

#[inline(never)]
fn burn_until(done: &AtomicBool) -> u64 {
    let mut sum = 0;
    while !done.load(Ordering::Relaxed) {
        sum = black_box(sum) ^ 1;
    }
    sum
}

fn decoded(gzip: &[u8]) -> Profile {
    let mut bytes = Vec::new();
    let mut gzip = GzDecoder::new(gzip).take(1 << 26);
    std::io::copy(&mut gzip, &mut bytes).unwrap();
    Profile::decode(&*bytes).unwrap()
}

#[tokio::test]
async fn a_profile_shows_where_the_time_goes_and_a_second_one_waits_its_turn() {
    static DONE: AtomicBool = AtomicBool::new(false);
    let burning = thread::Builder::new().name("burner".to_owned());
    let burning = burning.spawn(|| burn_until(&DONE)).unwrap();
    let place = Semaphore::new(1);
    let query = Query::from("seconds=1");
    let (page, second) = tokio::join!(cpu(&query, &place), cpu(&query, &place));
    DONE.store(true, Ordering::Relaxed);
    burning.join().unwrap();
    assert_eq!((page.status, second.status), (200, 429));

    let profile = decoded(&page.body);
    let text = |place: i64| profile.string_table[usize::try_from(place).unwrap()].as_str();
    let function = |id: u64| {
        let location = profile
            .location
            .iter()
            .find(|location| location.id == id)
            .unwrap();
        let id = location.line[0].function_id;
        let function = profile
            .function
            .iter()
            .find(|function| function.id == id)
            .unwrap();
        text(function.name)
    };
    let of_burner = profile
        .sample
        .iter()
        .filter(|sample| text(sample.label[0].str) == "burner");
    let in_it = of_burner.filter(|sample| {
        let mut stack = sample.location_id.iter();
        stack.any(|id| function(*id).ends_with("burn_until"))
    });
    let (samples, nanos) = in_it.fold((0, 0), |(samples, nanos), sample| {
        (samples + sample.value[0], nanos + sample.value[1])
    });
    assert!(samples > 0, "{:?}", profile.string_table);
    assert_eq!(nanos, samples * profile.period);
    let named = |value: &encode::ValueType| (text(value.kind), text(value.unit));
    let types: Vec<_> = profile.sample_type.iter().map(named).collect();
    assert_eq!(types, [("samples", "count"), ("cpu", "nanoseconds")]);
}

#[tokio::test]
async fn times_without_bounds_are_refused() {
    let place = Semaphore::new(1);
    for wrong in [
        "seconds=0",
        "seconds=301",
        "seconds=x",
        "seconds",
        "seconds=-1",
    ] {
        let page = cpu(&Query::from(wrong), &place).await;
        assert_eq!(page.status, 400, "{wrong}");
    }
    assert_eq!(seconds(&Query::default()), Ok(USUAL_SECONDS));
}

#[test]
fn memory_is_told_in_bytes() {
    let page = memory();
    let told: serde_json::Value = serde_json::from_slice(&page.body).unwrap();
    for figure in ["resident", "heap", "peak", "promised"] {
        assert!(told[figure].as_u64().unwrap() > 1 << 16, "{told}");
    }
}
