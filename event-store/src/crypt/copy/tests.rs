//! What a standby has is what the leader's file has; nothing is sealed before it is there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ledgerline_schemas::Sensitive;
use ledgerline_schemas::id::KeyId;

use super::*;
use crate::crypt::kek::{FileKeyring, KeyWrapper};
use crate::crypt::{Binding, KeyRing};
use crate::simulation::random::Random;

const ORG: OrgId = OrgId::from_u128(1);
const LONG: Duration = Duration::from_secs(600);
const NOW: Duration = Duration::ZERO;

fn person(number: u128) -> SubjectId {
    SubjectId::from_u128(number)
}

/// Two rings with the same KEKs.
fn rings() -> (KeyRing, KeyRing) {
    let keks: Arc<dyn KeyWrapper> = Arc::new(FileKeyring::in_memory());
    let ring = || {
        let store = crate::crypt::store::Store::in_memory(Arc::clone(&keks)).expect("opens");
        KeyRing::over(store)
    };
    (ring(), ring())
}

fn feed(ring: &KeyRing, patience: Duration) -> KeyFeed {
    ring.feed(patience, BTreeMap::from([(ORG, 3)])).expect("the first one")
}

fn sealed(ring: &KeyRing, of: SubjectId) -> Sensitive<String> {
    ring.seal(ORG, of, Binding::source(), &"personal".to_owned()).expect("sealed")
}

fn opens(ring: &KeyRing, value: &Sensitive<String>) -> bool {
    match ring.open(ORG, Binding::source(), value) {
        Ok(text) => text == "personal",
        Err(CryptError::NoKey { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

async fn ask(feed: &KeyFeed, at: Option<Place>) -> Delivery {
    let delivery = feed.ask("standby", at, NOW).await.expect("answers");
    Delivery::decode(&delivery.encode().expect("encodes")).expect("decodes")
}

/// Takes what there is; where the standby is then.
async fn follow(feed: &KeyFeed, standby: &KeyRing, at: Option<Place>) -> Place {
    let delivery = ask(feed, at).await;
    standby.take(&delivery).expect("taken");
    delivery.place
}

fn rows(ring: &KeyRing) -> BTreeSet<Row> {
    let spare = KeyRing::in_memory().expect("opens");
    let hub = feed(&spare, NOW);
    ring.store.rows(&hub.hub).expect("reads").1.into_iter().collect()
}

#[tokio::test]
async fn a_standby_opens_what_was_sealed_before_and_after_it_came_and_nothing_erased() {
    let (leader, standby) = rings();
    let first = sealed(&leader, person(1));
    let number = leader.subject_id(ORG, "phone", "+49").expect("an id");
    let feed = feed(&leader, LONG);
    let delivery = ask(&feed, None).await;
    assert!(delivery.is_whole() && delivery.epochs == BTreeMap::from([(ORG, 3)]));
    standby.take(&delivery).expect("taken");
    assert!(opens(&standby, &first));
    assert_eq!(standby.subject_id(ORG, "phone", "+49").expect("an id"), number);
    // Without anybody in step nothing waits.
    let second = sealed(&leader, person(2));
    assert!(!opens(&standby, &second));
    let delivery = ask(&feed, Some(delivery.place)).await;
    assert!(!delivery.is_whole() && !delivery.is_empty());
    standby.take(&delivery).expect("taken");
    assert!(opens(&standby, &first) && opens(&standby, &second));
    assert_eq!(rows(&leader), rows(&standby));
    assert_eq!(feed.in_step(), 1);
    // An erasure is there before it is confirmed.
    let erasing = thread::spawn({
        let leader = leader.clone();
        move || leader.destroy(ORG, &[person(1)]).expect("destroyed")
    });
    let change = feed.ask("standby", Some(delivery.place), LONG).await.expect("answers");
    assert!(!erasing.is_finished(), "it waits for the standby");
    standby.take(&change).expect("taken");
    assert!(!opens(&standby, &first) && opens(&standby, &second));
    assert!(ask(&feed, Some(change.place)).await.is_empty());
    erasing.join().expect("ends");
    assert_eq!(rows(&leader), rows(&standby));
}

#[tokio::test]
async fn nobody_seals_with_a_key_that_a_standby_in_step_has_not() {
    let (leader, standby) = rings();
    let feed = feed(&leader, LONG);
    let place = follow(&feed, &standby, None).await;
    assert!(ask(&feed, Some(place)).await.is_empty(), "in step");
    let seal = || {
        let leader = leader.clone();
        thread::spawn(move || sealed(&leader, person(7)))
    };
    let one = seal();
    let delivery = feed.ask("standby", Some(place), LONG).await.expect("answers");
    // The key is in the leader's file by now or soon; a second one that finds it there waits as well.
    let two = seal();
    standby.take(&delivery).expect("taken");
    assert!(!one.is_finished() && !two.is_finished());
    let empty = ask(&feed, Some(delivery.place)).await;
    assert!(empty.is_empty());
    for value in [one, two].map(|it| it.join().expect("ends")) {
        assert!(opens(&standby, &value));
    }
}

#[tokio::test]
async fn a_standby_that_takes_nothing_is_waited_for_once() {
    let (leader, standby) = rings();
    let patience = Duration::from_millis(80);
    let feed = feed(&leader, patience);
    let place = follow(&feed, &standby, None).await;
    assert!(ask(&feed, Some(place)).await.is_empty());
    let began = Instant::now();
    sealed(&leader, person(1));
    assert!(began.elapsed() >= patience && feed.in_step() == 0);
    // It is out of step, and nobody waits for it.
    sealed(&leader, person(2));
    assert_eq!(feed.in_step(), 0);
    // It catches up, and is waited for again.
    let place = follow(&feed, &standby, Some(place)).await;
    assert!(ask(&feed, Some(place)).await.is_empty() && feed.in_step() == 1);
    assert_eq!(rows(&leader), rows(&standby));
    // One that goes away in the middle of asking is not waited for.
    let asking =
        tokio::time::timeout(Duration::from_millis(1), feed.ask("standby", Some(place), LONG));
    assert!(asking.await.is_err());
    assert_eq!(feed.in_step(), 0);
}

#[tokio::test]
async fn what_was_erased_while_it_was_away_is_gone_from_its_file_too() {
    let folders = [tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two")];
    let keks = tempfile::tempdir().expect("KEKs");
    let open = |at: usize| {
        let keyring = Arc::new(FileKeyring::in_directory(keks.path()));
        KeyRing::open_with(folders[at].path(), keyring).expect("opens")
    };
    let (leader, standby) = (open(0), open(1));
    let erased = sealed(&leader, person(1));
    let kept = sealed(&leader, person(2));
    let mut wrapped = Vec::new();
    leader
        .store
        .each_wrapped(|of, key| wrapped.extend((of == person(1)).then(|| key.to_vec())))
        .expect("reads");
    let holds = |at: usize| {
        let bytes = std::fs::read(folders[at].path().join("keys.redb")).expect("reads");
        bytes.windows(wrapped[0].len()).any(|window| window == wrapped[0])
    };
    follow(&feed(&leader, LONG), &standby, None).await;
    assert!(holds(0) && holds(1) && opens(&standby, &erased));
    drop(leader);
    // Another life of the leader.
    let leader = open(0);
    leader.destroy(ORG, &[person(1)]).expect("destroyed");
    let feed = feed(&leader, LONG);
    let stale = Place { feed: Uuid::from_u128(1), changes: 0 };
    let delivery = ask(&feed, Some(stale)).await;
    assert_eq!(standby.take(&delivery).expect("taken").only_here, 1);
    // The log says that it was destroyed, and not only here.
    let named = BTreeSet::from([erased.key_id]);
    assert_eq!(standby.destroy_keys(ORG, &named).expect("destroyed"), 1);
    assert_eq!(standby.take(&delivery).expect("taken").only_here, 0);
    assert!(!holds(0) && !holds(1));
    assert!(!opens(&standby, &erased) && opens(&standby, &kept));
    drop(standby);
    let standby = open(1);
    assert!(!opens(&standby, &erased) && opens(&standby, &kept));
}

#[tokio::test]
async fn keys_that_the_log_says_are_destroyed_are_destroyed_by_their_ids() {
    let (leader, standby) = rings();
    let (first, other) = (sealed(&leader, person(1)), sealed(&leader, person(2)));
    follow(&feed(&leader, LONG), &standby, None).await;
    let later = standby.rotate_subject(ORG, person(1)).expect("a new key");
    let named = BTreeSet::from([first.key_id, KeyId::from_u128(77)]);
    assert_eq!(standby.destroy_keys(OrgId::from_u128(2), &named).expect("nothing"), 0);
    assert_eq!(standby.destroy_keys(ORG, &named).expect("destroyed"), 1);
    assert_eq!(standby.destroy_keys(ORG, &named).expect("nothing"), 0);
    assert!(!opens(&standby, &first) && opens(&standby, &other));
    assert_eq!(sealed(&standby, person(1)).key_id, later, "who came back keeps the new key");
}

#[tokio::test]
async fn what_does_not_unwrap_here_changes_nothing() {
    let (leader, standby) = rings();
    let value = sealed(&leader, person(1));
    let feed = feed(&leader, LONG);
    follow(&feed, &standby, None).await;
    let before = rows(&standby);
    sealed(&leader, person(2));
    let good = ask(&feed, None).await;
    let Contents::Whole { rows: good_rows, .. } = &good.contents else { panic!("whole") };
    for at in 0..good_rows.len() {
        let mut bad = good.clone();
        let Contents::Whole { rows: changed, .. } = &mut bad.contents else { panic!("whole") };
        match &mut changed[at] {
            Row::Data(_, record) | Row::Storage(_, record) | Row::Index(_, record) => {
                let last = record.len() - 1;
                record[last] ^= 1;
            }
            Row::Kek(_, name) => *name = "another".to_owned(),
            Row::Subject(..) | Row::StorageCurrent(..) => continue,
        }
        standby.take(&bad).expect_err("refused");
        assert_eq!(rows(&standby), before);
    }
    // A plain key is not taken either.
    let mut bad = good.clone();
    let Contents::Whole { rows: changed, .. } = &mut bad.contents else { panic!("whole") };
    for row in changed.iter_mut() {
        if let Row::Data(_, record) = row {
            record.truncate(32);
            record.extend_from_slice(&[0; 33]);
        }
    }
    standby.take(&bad).expect_err("refused");
    // Somebody without the KEK.
    let stranger = KeyRing::in_memory().expect("opens");
    let error = stranger.take(&good).expect_err("refused");
    assert!(matches!(error, CryptError::Wrap(_)), "{error}");
    assert!(!opens(&stranger, &value) && rows(&stranger).is_empty());
}

#[tokio::test]
async fn files_come_with_the_copy_and_when_they_change() {
    let (leader, standby) = rings();
    let feed = feed(&leader, LONG);
    let put = |content: &[u8]| {
        feed.put_file(leader.seal_file(ORG, "token.key", content).expect("sealed"));
    };
    put(b"first");
    let delivery = ask(&feed, None).await;
    let files = standby.take(&delivery).expect("taken").files;
    assert_eq!((files[0].name.as_str(), files[0].content.as_slice()), ("token.key", &b"first"[..]));
    put(b"second");
    let files = standby.take(&ask(&feed, Some(delivery.place)).await).expect("taken").files;
    assert_eq!((files.len(), files[0].content.as_slice()), (1, &b"second"[..]));
    let bytes = delivery.encode().expect("encodes");
    assert!(!bytes.windows(5).any(|window| window == b"first"), "it travels in clear");
    // It is of that name.
    let mut sealed = leader.seal_file(ORG, "token.key", b"x").expect("sealed");
    sealed.name = "sql-users.json".to_owned();
    standby.open_file(&sealed).expect_err("another file");
}

#[tokio::test]
async fn keys_that_only_a_former_leader_has_stay_when_it_follows() {
    let (one, two) = rings();
    let feed_of_one = feed(&one, NOW);
    let both = sealed(&one, person(1));
    follow(&feed_of_one, &two, None).await;
    // Two is away; one dies; two leads, and seals for the same person and another.
    let lone = sealed(&one, person(2));
    let (again, other) = (sealed(&two, person(2)), sealed(&two, person(3)));
    let delivery = ask(&feed(&two, LONG), None).await;
    assert_eq!(one.take(&delivery).expect("taken").only_here, 1);
    for value in [&both, &lone, &again, &other] {
        assert!(opens(&one, value));
    }
    assert!(!opens(&two, &lone));
    assert_eq!(sealed(&one, person(2)).key_id, again.key_id, "the new leader's key seals");
    assert_eq!(one.take(&delivery).expect("taken").only_here, 1);
}

/// Random histories, with a standby that comes, goes, and is behind; what is destroyed is named on a log.
#[tokio::test]
async fn after_any_history_both_files_hold_the_same() {
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let (leader, standby) = rings();
        let feed = feed(&leader, NOW);
        let (mut at, mut named) = (None, BTreeSet::new());
        for _ in 0..60 {
            let of = person(u128::from(random.next() % 8));
            match random.next() % 8 {
                0..=2 => drop(sealed(&leader, of)),
                3 => drop(leader.rotate_subject(ORG, of).expect("rotated")),
                4 => {
                    let gone = leader.destroy(ORG, &[of]).expect("destroyed");
                    named.extend(gone.into_iter().map(|(_, key)| key));
                }
                5 => drop(leader.rotate_kek(ORG).expect("rotated")),
                6 => at = None,
                _ => at = Some(follow(&feed, &standby, at).await),
            }
        }
        let at = follow(&feed, &standby, at).await;
        standby.destroy_keys(ORG, &named).expect("destroyed");
        follow(&feed, &standby, None).await;
        assert_eq!(rows(&leader), rows(&standby), "seed {seed}");
        assert!(ask(&feed, Some(at)).await.is_empty(), "seed {seed}");
    }
}
