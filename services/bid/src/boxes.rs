//! Boxes at hand and the schedule of deadlines, in memory: hints that save reads. What is decided,
//! is decided on the state inside the transaction.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

use sunbid_domain::bid::TenderBox;
use sunbid_terms::Instant;

/// Boxes remembered at most.
const MOST: usize = 4096;

/// What this process remembers of boxes.
#[derive(Debug, Default)]
pub struct Boxes {
    // Written after commits and by the follower; locked for the length of a look-up.
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    boxes: HashMap<String, Arc<TenderBox>>,
    due: BTreeSet<(i64, String)>,
    deadlines: HashMap<String, i64>,
}

impl Inner {
    fn schedule(&mut self, tender: &str, deadline_us: Option<i64>) {
        if let Some(old) = self.deadlines.remove(tender) {
            self.due.remove(&(old, tender.to_owned()));
        }
        if let Some(deadline_us) = deadline_us {
            self.deadlines.insert(tender.to_owned(), deadline_us);
            self.due.insert((deadline_us, tender.to_owned()));
        }
    }
}

impl Boxes {
    pub fn get(&self, tender: &str) -> Option<Arc<TenderBox>> {
        self.inner
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .boxes
            .get(tender)
            .cloned()
    }

    /// Remembers a box as last committed and when it is to be closed.
    pub fn remember(&self, tender_box: Arc<TenderBox>) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let open = !tender_box.closed && !tender_box.ended && !tender_box.held;
        inner.schedule(&tender_box.tender, open.then_some(tender_box.deadline_us));
        if inner.boxes.len() >= MOST {
            inner.boxes.clear();
        }
        inner.boxes.insert(tender_box.tender.clone(), tender_box);
    }

    /// Notes a deadline read from the table.
    pub fn schedule(&self, tender: &str, deadline_us: i64) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.schedule(tender, Some(deadline_us));
    }

    /// Tenders whose deadline has come at `now`.
    pub fn due(&self, now: Instant) -> Vec<String> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner
            .due
            .iter()
            .take_while(|(deadline, _)| *deadline <= now.micros())
            .map(|(_, tender)| tender.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_follows_the_box() {
        let boxes = Boxes::default();
        let of = |deadline_us, held| {
            Arc::new(TenderBox {
                tender: "tenders/t".into(),
                deadline_us,
                held,
                ..TenderBox::default()
            })
        };
        let due = |micros| boxes.due(Instant::from_micros(micros)).len();
        boxes.schedule("tenders/t", 10);
        assert_eq!((due(9), due(10)), (0, 1));
        boxes.remember(of(20, false));
        assert_eq!((due(19), due(20)), (0, 1));
        boxes.remember(of(20, true));
        assert_eq!(due(99), 0);
        assert!(boxes.get("tenders/t").is_some_and(|b| b.held));
    }
}
