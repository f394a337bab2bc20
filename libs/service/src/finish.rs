//! Commands of several steps that a caller cannot stop half-way: a connection that breaks, or is
//! broken off on purpose between two steps, ends the waiting and not the work.

use tracing::Instrument;

use crate::Problem;

/// Does all of the work, whether or not anybody still waits for its answer.
pub async fn to_the_end<T, W>(work: W) -> Result<T, Problem>
where
    T: Send + 'static,
    W: Future<Output = Result<T, Problem>> + Send + 'static,
{
    tokio::spawn(work.in_current_span())
        .await
        .map_err(Problem::internal)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_nobody_waits_for_is_done_all_the_same() {
        let (step, mut steps) = tokio::sync::mpsc::channel(2);
        let (go, wait) = tokio::sync::oneshot::channel::<()>();
        let work = to_the_end(async move {
            let _ = step.send(1).await;
            let _ = wait.await;
            let _ = step.send(2).await;
            Ok(())
        });
        let mut work = Box::pin(work);
        tokio::select! {
            _ = &mut work => unreachable!("it waits"),
            first = steps.recv() => assert_eq!(first, Some(1)),
        }
        drop(work);
        let _ = go.send(());
        assert_eq!(steps.recv().await, Some(2));
    }
}
