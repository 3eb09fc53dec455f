//! Callers' numbers and agents' names.

use ledgerline_event_store::crypt::Binding;
use ledgerline_ingest::import::QueueLogQuirk;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::interaction::InteractionCreated;

use super::{Bench, lines};
use crate::support::ORG;

const NUMBER: &str = "+4930555010";

fn a_log() -> String {
    lines(&[
        "1000|c1|sales|NONE|ENTERQUEUE||+4930555010|1|Ada Quillan",
        "1010|c1|sales|Quillan O.|CONNECT|10|c1.2|3",
        "1015|NONE|sales|Quillan O.|PENALTY|2",
        "1020|c1|sales|Quillan O.|BLINDTRANSFER|+4930555099|internal|10|10|1",
        "1025|c2|sales|NONE|ENTERQUEUE||anonymous|1",
        "1030|c3|sales|NONE|ENTERQUEUE||+4930555010|2",
    ])
}

fn created(bench: &Bench) -> Vec<(InteractionCreated, bool)> {
    let events = bench.recorded();
    let of = |recorded: &ledgerline_schemas::Recorded| match recorded.decode() {
        Ok(Event::InteractionCreated(it)) => Some((it, recorded.header.data_subject_id.is_some())),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

/// Everything the log holds, as text.
fn everything(bench: &Bench) -> String {
    let mut text = String::new();
    for recorded in bench.recorded() {
        text.push_str(&format!("{:?}", recorded.header));
        text.push_str(&recorded.decode().expect("decodes").to_json_text());
        text.push_str(&String::from_utf8_lossy(&recorded.payload));
        if let Ok(Event::ExternalEvent(it)) = recorded.decode() {
            text.push_str(&String::from_utf8_lossy(&it.data.0));
        }
    }
    text
}

#[tokio::test]
async fn neither_numbers_nor_names_are_on_the_log_or_in_the_report() {
    let bench = Bench::new();
    let report = bench.import(&a_log()).await;
    assert_eq!(report.counts().rejected, 0, "{report}");
    let all = everything(&bench) + &report.to_string() + &format!("{report:?}");
    for word in ["30555010", "30555099", "Quillan", "Ada"] {
        assert!(!all.contains(word), "{word}");
    }
    assert!(all.contains("sales"), "the search finds what is there");
}

#[tokio::test]
async fn a_number_is_sealed_for_its_person_and_place() {
    let bench = Bench::new();
    let report = bench.import(&a_log()).await;
    let created = created(&bench);
    let [(first, is_person), (second, is_nobody), (third, _)] = created.as_slice() else {
        panic!("{created:?}")
    };
    assert!(*is_person && !*is_nobody);
    for it in [first, third] {
        let origin = it.origin.as_ref().expect("a number");
        let binding = Binding::origin(it.interaction_id);
        let opened: String = bench.keyring.open(ORG, binding, origin).expect("opens");
        assert_eq!(opened, NUMBER);
        assert_eq!(it.customer_code, None);
    }
    assert_eq!((&second.origin, &second.customer_code), (&None, &None));
    assert_eq!(report.quirks.of(QueueLogQuirk::CallerUnidentified), 1);

    let subject = bench.keyring.subject_id(ORG, "phone", NUMBER).expect("a person");
    assert_eq!(bench.keyring.destroy(ORG, &[subject]).expect("destroyed").len(), 1);
    let origin = first.origin.as_ref().expect("a number");
    let binding = Binding::origin(first.interaction_id);
    assert!(bench.keyring.open::<String>(ORG, binding, origin).is_err(), "the person is erased");
    let again = bench.import(&a_log()).await;
    assert_eq!(again.events_appended, 0);
    let keys = bench.keyring.keys_of(ORG, &[subject]).expect("keys");
    assert!(keys.is_empty(), "importing again makes no key");
}

#[tokio::test]
async fn a_number_may_be_a_code_or_nothing() {
    let coded = Bench::mapped("[callers]\nnumber = \"coded\"");
    coded.import(&a_log()).await;
    let codes: Vec<_> = created(&coded).into_iter().map(|(it, _)| it.customer_code).collect();
    let [Some(first), None, Some(third)] = codes.as_slice() else { panic!("{codes:?}") };
    assert_eq!(first, third);
    assert!(first.starts_with("customer-"), "{first}");
    assert!(created(&coded).iter().all(|(it, subject)| it.origin.is_none() && !subject));

    let ignored = Bench::mapped("[callers]\nnumber = \"ignored\"");
    ignored.import(&a_log()).await;
    assert!(
        created(&ignored)
            .iter()
            .all(|(it, subject)| it.origin.is_none() && it.customer_code.is_none() && !subject)
    );
}

#[tokio::test]
async fn agents_are_codes_unless_the_mapping_names_them() {
    let text = lines(&[
        "1000|NONE|sales|SIP/101|ADDMEMBER|",
        "1001|NONE|sales|Agent/7|ADDMEMBER|",
        "1002|NONE|sales|Quillan O.|ADDMEMBER|",
    ]);
    let names = |bench: &Bench| -> Vec<String> {
        let of = |recorded: &ledgerline_schemas::Recorded| match recorded.decode() {
            Ok(Event::Config(it)) if it.kind.name() == "user" => {
                let document: serde_json::Value = it.after?.parse().ok()?;
                document["name"].as_str().map(str::to_owned)
            }
            _ => None,
        };
        bench.recorded().iter().filter_map(of).collect()
    };
    let coded = Bench::new();
    coded.import(&text).await;
    let found = names(&coded);
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|name| name.starts_with("agent-")), "{found:?}");

    let listed = Bench::mapped("[[agent]]\nvalues = [\"SIP/101\", \"Agent/7\"]\nname = \"seven\"");
    listed.import(&text).await;
    let found = names(&listed);
    let [seven, other] = found.as_slice() else { panic!("{found:?}") };
    assert!(seven == "seven" && other.starts_with("agent-"), "{found:?}");
    assert_eq!(listed.agents().iter().filter(|it| it.contains("session.started")).count(), 2);

    let recorded = Bench::mapped("[agents]\nnames = \"recorded\"");
    recorded.import(&text).await;
    assert_eq!(names(&recorded), ["SIP/101", "Agent/7", "Quillan O."]);
}
