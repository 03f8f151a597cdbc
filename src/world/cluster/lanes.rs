//! Who may be worked on at the same time. A database that does not answer is waited for at the side, where only its like
//! is held up: hundreds of resources whose databases cannot be reached leave the others their time. One that answered the
//! last time, and is slow for once, is waited for at a side of its own: it would find no place among those.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Resources at each side at once. They only wait; each holds one connection that a server has not answered yet.
const SIDE: u16 = 16;
/// So long a look may take on the road. An ordinary one takes tens of milliseconds.
const PATIENCE: Duration = Duration::from_millis(700);

/// The road, and its two sides.
pub struct Lanes {
    road: Arc<Semaphore>,
    side: Arc<Semaphore>,
    answered: Arc<Semaphore>,
    patience: Duration,
}

/// The side is full: the resource is to come again later.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

/// What is known of a database before it is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Past {
    /// It was slow: it is asked at the side at once.
    pub slow: bool,
    /// It answered the last time.
    pub answered: bool,
}

/// A resource that is being worked on.
pub struct Turn<'a> {
    lanes: &'a Lanes,
    held: Mutex<Held>,
}

/// Held for its drop.
#[derive(Default)]
struct Held {
    road: Option<OwnedSemaphorePermit>,
    side: Option<OwnedSemaphorePermit>,
}

impl Lanes {
    /// Room for so many on the road.
    pub fn new(road: u16) -> Self {
        Lanes {
            road: Arc::new(Semaphore::new(road.into())),
            side: Arc::new(Semaphore::new(SIDE.into())),
            answered: Arc::new(Semaphore::new(SIDE.into())),
            patience: PATIENCE,
        }
    }

    /// Waits for a place on the road, the first first. `None`: it is closed.
    pub async fn enter(&self) -> Option<Turn<'_>> {
        let road = Some(place(&self.road).await?);
        Some(Turn {
            lanes: self,
            held: Mutex::new(Held { road, side: None }),
        })
    }

    /// Lets nobody in any more; who is in goes on.
    pub fn close(&self) {
        self.road.close();
    }
}

/// None where it is closed. Who comes back to a closed road goes on without a place: there is no bound then, and nothing
/// else is wrong.
async fn place(semaphore: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    semaphore.clone().acquire_owned().await.ok()
}

impl Turn<'_> {
    /// Waits for an answer: on the road if it comes soon, else at the side.
    ///
    /// # Errors
    /// There is no room at the side. The question is dropped.
    pub async fn ask<T>(&self, past: Past, question: impl Future<Output = T>) -> Result<T, Full> {
        let mut question = std::pin::pin!(question);
        if !past.slow
            && let Ok(answer) = tokio::time::timeout(self.lanes.patience, &mut question).await
        {
            return Ok(answer);
        }
        self.step_aside(past.answered)?;
        Ok(question.await)
    }

    /// Goes on along the road, after all was answered.
    pub async fn back(&self) {
        if self.held().road.is_none() {
            let road = place(&self.lanes.road).await;
            *self.held() = Held { road, side: None };
        }
    }

    fn step_aside(&self, answered: bool) -> Result<(), Full> {
        let mut held = self.held();
        if held.side.is_none() {
            let side = match answered {
                true => &self.lanes.answered,
                false => &self.lanes.side,
            };
            let side = side.clone().try_acquire_owned();
            held.side = Some(side.map_err(|_| Full)?);
            held.road = None;
        }
        Ok(())
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::future::pending;

    use futures::future::join_all;
    use tokio::time::{sleep, timeout};

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    const SLOW: Past = Past {
        slow: true,
        answered: false,
    };

    fn lanes(road: u16) -> Lanes {
        Lanes {
            patience: Duration::from_millis(2),
            ..Lanes::new(road)
        }
    }

    async fn unanswered(lanes: &Lanes, slow: bool) {
        let turn = lanes.enter().await.unwrap();
        let past = Past {
            slow,
            answered: false,
        };
        // Who is turned away leaves.
        let _ = turn.ask(past, pending::<()>()).await;
    }

    /// Whether somebody whose question is answered gets through, in spite of so many others that are there before.
    async fn gets_through(lanes: &Lanes, others: u16, slow: bool) -> bool {
        let healthy = async {
            sleep(Duration::from_millis(1)).await;
            let turn = lanes.enter().await.unwrap();
            turn.ask(Past::default(), async {}).await.unwrap();
            turn.back().await;
        };
        let others = async {
            join_all((0..others).map(|_| unanswered(lanes, slow))).await;
            pending::<()>().await;
        };
        let both = async {
            tokio::select! { () = healthy => {}, () = others => {} }
        };
        timeout(LONG, both).await.is_ok()
    }

    #[tokio::test]
    async fn who_is_never_answered_holds_up_nobody() {
        for others in [2, SIDE, 10 * SIDE] {
            for slow in [false, true] {
                assert!(
                    gets_through(&lanes(2), others, slow).await,
                    "{others} others, known to be slow: {slow}"
                );
            }
        }
    }

    #[tokio::test]
    async fn who_came_first_goes_first_and_a_closed_road_lets_nobody_in() {
        let lanes = lanes(1);
        let turn = lanes.enter().await.unwrap();
        let order = Mutex::new(Vec::new());
        let others = join_all((0..50).map(|number| {
            let (lanes, order) = (&lanes, &order);
            async move {
                match lanes.enter().await {
                    Some(_turn) if number == 40 => lanes.close(),
                    Some(_turn) => order.lock().unwrap().push(number),
                    None => order.lock().unwrap().push(-number),
                }
            }
        }));
        let leave = async {
            tokio::task::yield_now().await;
            drop(turn);
        };
        timeout(LONG, async { tokio::join!(others, leave) })
            .await
            .unwrap();
        let mut order = order.into_inner().unwrap();
        let out = order.split_off(40);
        assert_eq!(order, (0..40).collect::<Vec<i32>>());
        assert!(
            out.len() == 9 && out.iter().all(|number| *number < -40),
            "{out:?}"
        );
        assert!(lanes.enter().await.is_none());
    }

    #[tokio::test]
    async fn a_full_side_turns_away_and_has_room_again_afterwards() {
        let lanes = lanes(1);
        {
            let mut held = Vec::new();
            for _ in 0..SIDE {
                let turn = lanes.enter().await.unwrap();
                turn.ask(SLOW, async {}).await.unwrap();
                held.push(turn);
            }
            let turn = lanes.enter().await.unwrap();
            assert_eq!(turn.ask(SLOW, async {}).await, Err(Full));
            let slow = turn
                .ask(Past::default(), sleep(Duration::from_millis(50)))
                .await;
            drop(turn);
            assert_eq!(slow, Err(Full), "it turned out to be slow");
            for slow in [false, true] {
                let past = Past {
                    slow,
                    answered: true,
                };
                let turn = lanes.enter().await.unwrap();
                let answer = turn.ask(past, sleep(Duration::from_millis(50))).await;
                assert_eq!(answer, Ok(()), "it answered before: {past:?}");
            }
        }
        let turn = lanes.enter().await.unwrap();
        turn.ask(Past::default(), sleep(Duration::from_millis(50)))
            .await
            .unwrap();
        assert_eq!(lanes.road.available_permits(), 1, "it stepped aside");
        turn.back().await;
        assert_eq!(lanes.road.available_permits(), 0);
        assert_eq!(lanes.side.available_permits(), usize::from(SIDE));
    }
}
