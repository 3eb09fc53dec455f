//! Commands decided lately, so that a repeated command gets its first answer again.

use std::collections::{BTreeMap, VecDeque};

use ledgerline_schemas::id::CommandId;

use super::handle::Accepted;

/// Commands remembered. A retry comes within seconds; this is minutes at full load. One that comes later is
/// looked up in the log.
const REMEMBERED: usize = 16_384;

/// The newest commands by id.
#[derive(Debug, Default)]
pub(super) struct Recent {
    answers: BTreeMap<CommandId, Accepted>,
    order: VecDeque<CommandId>,
}

impl Recent {
    pub(super) fn find(&self, id: CommandId) -> Option<&Accepted> {
        self.answers.get(&id)
    }

    pub(super) fn remember(&mut self, id: CommandId, accepted: Accepted) {
        if self.answers.insert(id, accepted).is_none() {
            self.order.push_back(id);
        }
        while self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.answers.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ledgerline_schemas::Position;

    use super::*;

    #[test]
    fn the_oldest_command_is_forgotten_first() {
        let mut recent = Recent::default();
        for index in 0..=REMEMBERED as u128 {
            let accepted = Accepted { position: Position(index as u64), events: Vec::new().into() };
            recent.remember(CommandId::from_u128(index), accepted);
        }
        assert!(recent.find(CommandId::from_u128(0)).is_none());
        let found = recent.find(CommandId::from_u128(1)).map(|it| it.position);
        assert_eq!(found, Some(Position(1)));
        assert_eq!(recent.answers.len(), REMEMBERED);
    }
}
