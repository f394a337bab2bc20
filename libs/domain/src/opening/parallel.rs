//! Many independent checks on all cores, in order. For work of tens of microseconds an item and
//! more; below that the threads cost more than they save.

use std::num::NonZeroUsize;

/// Fewer items than this are done by the caller's own thread.
const WORTH_SHARING: usize = 16;

/// `work` applied to every item, results in the order of the items.
pub fn map<T, R>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R>
where
    T: Sync,
    R: Send,
{
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    if cores == 1 || items.len() < WORTH_SHARING {
        return items.iter().map(work).collect();
    }
    let share = items.len().div_ceil(cores);
    let work = &work;
    let mut results = Vec::with_capacity(items.len());
    std::thread::scope(|scope| {
        let running: Vec<_> = items
            .chunks(share)
            .map(|chunk| scope.spawn(move || chunk.iter().map(work).collect::<Vec<R>>()))
            .collect();
        for thread in running {
            match thread.join() {
                Ok(done) => results.extend(done),
                // A defect in `work` is the caller's, as if it had run here.
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    results
}

/// The same for work that may fail: the first failure in the order of the items.
pub fn try_map<T, R, E>(items: &[T], work: impl Fn(&T) -> Result<R, E> + Sync) -> Result<Vec<R>, E>
where
    T: Sync,
    R: Send,
    E: Send,
{
    map(items, work).into_iter().collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn order_stays() {
        let items: Vec<u32> = (0..1000).collect();
        assert_eq!(
            super::map(&items, |item| item * 2),
            items.iter().map(|i| i * 2).collect::<Vec<_>>()
        );
        let first = super::try_map(&items, |item| {
            if item % 300 == 299 {
                Err(*item)
            } else {
                Ok(())
            }
        });
        assert_eq!(first, Err(299));
    }
}
