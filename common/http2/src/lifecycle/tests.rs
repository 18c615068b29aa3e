//! Which clock runs out first.

use super::*;

#[test]
fn connection_at_rest_sleeps_until_its_first_long_clock() {
    let settings = Http2Settings::default();
    let now = Instant::now();
    let tick = settings.tick();
    let mut life = Lifecycle::new(&settings, now);
    assert_eq!(life.next_look(&settings, tick, false, now), now + REST);
    life.holds_memory = false;
    assert_eq!(
        life.next_look(&settings, tick, false, now),
        now + tick,
        "settings are not acked"
    );
    life.settings_acked = true;
    let at_rest = life.next_look(&settings, tick, false, now);
    assert_eq!(at_rest, now + settings.keepalive_interval.unwrap());
    assert_eq!(life.next_look(&settings, tick, true, now), now + tick);
    life.age_at = Some(now + Duration::from_secs(5));
    assert_eq!(
        life.next_look(&settings, tick, false, now),
        now + Duration::from_secs(5)
    );
}

#[test]
fn clocks_that_ran_out_do_not_make_it_spin() {
    let settings = Http2Settings {
        idle_timeout: Some(Duration::from_secs(1)),
        ..Http2Settings::default()
    };
    let start = Instant::now();
    let now = start + Duration::from_secs(500);
    let tick = settings.tick();
    let mut life = Lifecycle::new(&settings, start);
    life.settings_acked = true;
    life.phase = Phase::Leaving { since: now };
    life.ping_sent = Some(now);
    let soon = life.next_look(&settings, tick, false, now);
    assert!(
        soon > now,
        "the memory that is held was long to be given back"
    );
    life.holds_memory = false;
    assert_eq!(life.next_look(&settings, tick, false, now), now + tick);
}

#[test]
fn ages_spread_by_a_tenth_either_way() {
    let settings = Http2Settings {
        max_connection_age: Some(Duration::from_secs(1000)),
        ..Http2Settings::default()
    };
    let now = Instant::now();
    let ages: Vec<_> = (0..100)
        .map(|_| Lifecycle::new(&settings, now).age_at.unwrap() - now)
        .collect();
    let (least, most) = (ages.iter().min().unwrap(), ages.iter().max().unwrap());
    assert!(*least >= Duration::from_secs(900) && *most <= Duration::from_secs(1100));
    assert!(*most - *least > Duration::from_secs(50));
}

#[test]
fn earliest_deadline_stands() {
    let now = Instant::now();
    let mut life = Lifecycle::new(&Http2Settings::default(), now);
    life.cut_by(None);
    assert_eq!(life.cut_at, None);
    life.cut_by(Some(now + Duration::from_secs(2)));
    life.cut_by(Some(now + Duration::from_secs(9)));
    life.cut_by(None);
    assert_eq!(life.cut_at, Some(now + Duration::from_secs(2)));
}
