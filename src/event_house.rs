//! The rules of the house at the KurrentDB door: reads leave an event, and card data stays out.

use futures::future::BoxFuture;
use ledgerline_analyzer_api::record::access_event_of;
use ledgerline_event_store::Append;
use ledgerline_event_store::kurrent::{Caller, House, Reading, ReadingKind};
use ledgerline_ingest::card_filter::mask;
use ledgerline_schemas::Event;
use ledgerline_schemas::event::access::AccessLogRead;

use crate::ports::Opened;

/// Notes reads on the log that is read.
#[derive(Clone, Debug)]
pub(crate) struct EventHouse(pub(crate) Opened);

impl House for EventHouse {
    fn reads(&self, caller: &Caller, reading: Reading) -> BoxFuture<'_, Result<(), String>> {
        let open = self.0.get(caller.org_id);
        let subject = caller.subject.clone();
        Box::pin(async move {
            let log = open.ok_or("the organization has no log")?.log;
            let event = Event::from(AccessLogRead {
                principal: subject.clone(),
                door: "kurrentdb".to_owned(),
                kind: match reading.kind {
                    ReadingKind::Subscription => "subscription",
                    ReadingKind::Group => "group",
                    _ => "read",
                }
                .to_owned(),
                stream: reading.stream.map_or_else(|| "$all".to_owned(), |it| it.to_string()),
                group: reading.group,
                from: reading.from,
                backward: reading.backward,
                events_max: reading.events_max,
                as_of_position: log.head(),
            });
            let events = vec![access_event_of(&subject, &event)];
            let submitted = log.submit(Append { events, expected: Vec::new() });
            submitted
                .map_err(|error| error.to_string())?
                .await
                .map_err(|error| error.to_string())?;
            Ok(())
        })
    }

    fn clean(&self, text: String) -> String {
        mask(text).into_string()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ledgerline_event_store::memory::MemoryLog;
    use ledgerline_event_store::{Direction, EventReader as _, Filter};
    use ledgerline_projections::{Options, Projections};
    use ledgerline_schemas::id::OrgId;
    use ledgerline_schemas::{Position, StreamId, Timestamp};

    use super::*;
    use crate::ports::Open;

    const ORG: OrgId = OrgId::from_u128(7);

    fn caller(org_id: OrgId) -> Caller {
        Caller {
            org_id,
            subject: "Events".to_owned(),
            may_read: true,
            may_append: false,
            valid_for: None,
        }
    }

    fn reading() -> Reading {
        Reading {
            kind: ReadingKind::Subscription,
            stream: None,
            group: String::new(),
            from: "start".to_owned(),
            backward: false,
            events_max: None,
        }
    }

    #[tokio::test]
    async fn a_read_is_an_event_of_the_reader_and_durable_when_it_begins() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = MemoryLog::new(ORG, || Timestamp::EPOCH);
        let projections =
            Projections::start(Arc::new(log.clone()), folder.path().into(), Options::default())
                .expect("tables");
        let opened = Opened::default();
        opened.add(ORG, Open { log: Arc::new(log.clone()), projections: projections.clone() });
        let house = EventHouse(opened);
        house.reads(&caller(ORG), reading()).await.expect("noted");
        let page =
            log.read_all(Position::START, Direction::Forward, &Filter::all(), 10).expect("read");
        let [recorded] = page.events.as_slice() else { panic!("{} events", page.events.len()) };
        assert_eq!(recorded.header.stream, StreamId::access("events"));
        assert_eq!(&*recorded.header.event_type, "access.log_read");
        let Ok(Event::AccessLogRead(read)) = Event::decode("access.log_read", &recorded.payload)
        else {
            panic!("not the event")
        };
        assert_eq!((read.principal.as_str(), read.stream.as_str()), ("Events", "$all"));
        assert_eq!((read.kind.as_str(), read.door.as_str()), ("subscription", "kurrentdb"));
        assert_eq!((read.from.as_str(), read.as_of_position), ("start", Position::START));
        house.reads(&caller(OrgId::from_u128(8)), reading()).await.expect_err("no such log");
        projections.stop().await;
    }

    #[test]
    fn card_numbers_are_kept_out() {
        let house = EventHouse(Opened::default());
        let cleaned = house.clean("card 4111 1111 1111 1111".to_owned());
        assert!(!cleaned.contains("1111"), "{cleaned}");
        assert_eq!(house.clean("order 17".to_owned()), "order 17");
    }
}
