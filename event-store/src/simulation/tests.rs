use super::*;

#[test]
fn no_acknowledged_event_is_lost_in_twenty_thousand_power_cuts() {
    let mut power_cuts = 0;
    let mut seed = 0;
    while power_cuts < 20_000 {
        let at_rest = AtRest::of_turn(seed / 10);
        let report = simulate(seed..seed + 10, Variant::Correct, at_rest);
        assert!(report.failures.is_empty(), "files {at_rest:?}: {report}");
        power_cuts += report.power_cuts;
        seed += 10;
    }
}

#[test]
fn every_broken_variant_is_caught() {
    for variant in Variant::BROKEN {
        let forms = [AtRest::Clear, AtRest::Encrypted];
        for at_rest in forms.into_iter().filter(|at_rest| variant.harms(*at_rest)) {
            let caught =
                (0..40).any(|seed| !simulate(seed..seed + 1, variant, at_rest).failures.is_empty());
            assert!(caught, "{variant:?} was not caught by seeds 0..40 with files {at_rest:?}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for at_rest in [AtRest::Clear, AtRest::Encrypted] {
        let run = |variant| simulate(3..5, variant, at_rest);
        assert_eq!(run(Variant::Correct), run(Variant::Correct));
        assert_eq!(run(Variant::NoSync), run(Variant::NoSync));
    }
}
