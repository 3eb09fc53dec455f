use super::*;

#[test]
fn no_acknowledged_event_is_lost_in_twenty_thousand_power_cuts() {
    let mut power_cuts = 0;
    let mut seed = 0;
    while power_cuts < 20_000 {
        let report = simulate(seed..seed + 10, Variant::Correct);
        assert!(report.failures.is_empty(), "{report}");
        power_cuts += report.power_cuts;
        seed += 10;
    }
}

#[test]
fn every_broken_variant_is_caught() {
    for variant in Variant::BROKEN {
        let caught = (0..40).any(|seed| !simulate(seed..seed + 1, variant).failures.is_empty());
        assert!(caught, "{variant:?} was not caught by seeds 0..40");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    assert_eq!(simulate(3..5, Variant::Correct), simulate(3..5, Variant::Correct));
    assert_eq!(simulate(3..5, Variant::NoSync), simulate(3..5, Variant::NoSync));
}
