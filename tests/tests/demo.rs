//! The demo, short: it exits 0 only when its figures agree and nothing happened outside the scenario.

use ledgerline_tests::succeed;

#[test]
fn the_demo_ends_well_and_its_figures_agree() {
    let said = succeed(&["demo", "--seconds", "20", "--rate", "120", "--seed", "7"]);
    assert!(said.contains("all figures agree"), "{said}");
    for line in ["voice ", "chat ", "queue_leg", "event_log", "queue_live"] {
        assert!(said.contains(&format!("  {line}")), "no line for {line}\n{said}");
    }
    assert!(said.contains("transactions timed out: 0"), "{said}");
    assert!(!said.contains("ended in the IVR 0"), "nobody left in the flow\n{said}");
    assert!(!said.contains("abandoned 0,"), "nobody gave up\n{said}");
}
