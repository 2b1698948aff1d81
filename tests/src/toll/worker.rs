//! What a client does until it is stopped.

use std::sync::Arc;
use std::time::Duration;

use super::ask::{Answer, Ask, Client, Loss};
use super::count::Tally;
use super::{Clients, Kind};
use crate::PATIENCE;

impl Clients {
    pub(super) async fn work(self: Arc<Self>, kind: Kind, number: usize) -> Tally {
        let mut tally = Tally::of(kind);
        let ask = self.ask_of(kind);
        let clients = u32::try_from((self.toll.crowd)(kind).max(1)).expect("a few clients");
        let number = u32::try_from(number).expect("a few clients");
        // Or all of them would ask and be answered at the same moments.
        tokio::time::sleep(self.pace_of(kind) * number / clients).await;
        let mut kept = None;
        while self.goes_on(&tally) && tally.failed() < TOO_MANY {
            let was_kept = kept.is_some();
            let answer = tokio::time::timeout(PATIENCE, self.ask(&mut kept, &ask)).await;
            let answer = answer.unwrap_or_else(|_| Err(Loss::Failed("no answer came".into())));
            let may_keep = kind.keeps() && answer.as_ref().is_ok_and(|answer| !answer.is_last);
            if !may_keep {
                kept = None;
            }
            if kind == Kind::Thinking && answer.is_ok() {
                tokio::time::sleep(THOUGHT).await;
            }
            tally.note(answer, was_kept);
        }
        tally
    }

    /// Whether the client has to ask once more: on a slow machine one may be busy with what an older
    /// generation answers when all others are done.
    fn goes_on(&self, tally: &Tally) -> bool {
        let Some(since) = self.stopped.get() else { return true };
        let last = self.toll.restarts + 1;
        tally.kind.keeps() && tally.newest() < last && since.elapsed() < PATIENCE
    }

    async fn ask(&self, kept: &mut Option<Client>, ask: &Ask) -> Result<Answer, Loss> {
        if let Some(client) = kept {
            return client.ask(ask).await;
        }
        let client = Client::connect(&self.toll.wire, self.toll.protocol).await;
        let client = client.map_err(|error| Loss::Failed(format!("not connected: {error}")))?;
        kept.insert(client).ask(ask).await
    }

    fn ask_of(&self, kind: Kind) -> Ask {
        match kind {
            Kind::Long => Ask::get(format!("/sleep?{}", self.toll.long.as_millis())),
            Kind::SmallPost => Ask::post(16_000, 4, Duration::from_millis(10)),
            Kind::LargePost => Ask::post(10_000_000, 20, Duration::from_millis(40)),
            Kind::Short | Kind::Kept | Kind::Thinking | Kind::Early => Ask::get("/"),
        }
    }

    /// How long a client takes for one request, if that is much.
    fn pace_of(&self, kind: Kind) -> Duration {
        match kind {
            Kind::Long => self.toll.long,
            Kind::Thinking => THOUGHT,
            _ => Duration::ZERO,
        }
    }
}

/// How long a client thinks.
const THOUGHT: Duration = Duration::from_millis(100);

/// Whoever is refused so often asks no more.
const TOO_MANY: usize = 1000;
