//! What a world may do, and random sequences of it.

use std::time::Duration;

use fastrand::Rng;

use super::Limits;

/// One thing the world may do. Those that make no sense at the moment are skipped.
///
/// Children are named by their place among the living, the newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    Restart,
    Offer,
    FilesDone(bool),
    Examined(u8),
    Ready(u8),
    AcknowledgePause(u8),
    NotStarted(u8),
    Unfit(u8),
    /// One on trial was asked whether it lives, and has not answered.
    Owes(u8),
    /// Somebody asks for the binary before.
    RollBack,
    /// What makes room next cannot be held by a descriptor.
    LoseBinary,
    Exit(u8),
    /// One ends that is not the service.
    Leave(u8),
    /// Whoever was sent a signal last ends by it.
    EndAsTold,
    /// The kernel refuses the next succession.
    RefuseSuccession,
    Signal(i32, bool),
    /// Time passes until the next deadline.
    Deadline,
    /// So many milliseconds pass.
    Wait(u32),
    /// So many milliseconds pass, and something else is noticed before the deadlines are.
    Late(u32),
}

/// How often each kind of move is made, in the order of [`one`].
const WEIGHTS: [u32; 19] = [6, 4, 10, 12, 16, 12, 1, 2, 1, 4, 2, 1, 3, 6, 1, 3, 3, 1, 1];

/// Most moves make no sense at the moment that they are made, so this is some 60 steps.
const MOST_MOVES: usize = 400;

/// A world's settings and everything that it does: all of it follows from the seed.
#[derive(Debug, Clone)]
pub(super) struct Sequence {
    pub(super) limits: Limits,
    /// The settings of the code that takes over.
    pub(super) later: Limits,
    pub(super) moves: Vec<Move>,
    /// Whether the file system and the dying answer, once the moves are made.
    pub(super) is_answered: bool,
}

impl Sequence {
    pub(super) fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let (limits, later) = (limits(&mut rng), limits(&mut rng));
        // Not every sequence has every kind of move, or most would end before they come far.
        let weights = WEIGHTS.map(|weight| weight * [0, 1, 1, 1, 2, 4][rng.usize(..6)]);
        let may_end = rng.u8(..3) == 0;
        let total = weights.iter().sum::<u32>().max(1);
        let length = rng.usize(1..=MOST_MOVES);
        let moves = (0..length).map(|_| {
            let mut at = rng.u32(..total);
            let kind = weights.iter().position(|&weight| {
                let is_it = at < weight;
                at = at.saturating_sub(weight);
                is_it
            });
            one(kind.unwrap_or(0), may_end, &mut rng)
        });
        let moves = moves.collect();
        Self { limits, later, moves, is_answered: rng.u8(..4) > 0 }
    }
}

fn limits(rng: &mut Rng) -> Limits {
    let mut seconds = |of: &[u64]| Duration::from_secs(of[rng.usize(..of.len())]);
    let (ready, probation, terminate) =
        (seconds(&[1, 30, 30]), seconds(&[0, 10, 10]), seconds(&[1, 20, 20]));
    Limits {
        restart_signal: (rng.u8(..16) > 0).then_some(libc::SIGUSR2),
        restart_after_swap: rng.u8(..8) > 0,
        ready,
        probation,
        terminate,
        max_draining: rng.usize(1..=3),
        overlap: rng.u8(..3) > 0,
        follows: rng.bool(),
    }
}

fn one(kind: usize, may_end: bool, rng: &mut Rng) -> Move {
    // Most that happens, happens to the newest.
    let whom = if rng.u8(..4) > 0 { 0 } else { rng.u8(..4) };
    match kind {
        0 => Move::Restart,
        1 => Move::Offer,
        2 => Move::FilesDone(rng.u8(..4) > 0),
        3 => Move::Examined(rng.u8(..6)),
        4 => Move::Ready(whom),
        5 => Move::AcknowledgePause(rng.u8(..4)),
        6 => Move::NotStarted(whom),
        7 => Move::Unfit(whom),
        8 if may_end => Move::Exit(rng.u8(..4)),
        8 | 9 => Move::Leave(whom),
        10 => Move::EndAsTold,
        11 => Move::RefuseSuccession,
        12 => {
            let signals = [libc::SIGHUP, libc::SIGUSR2, libc::SIGTSTP, libc::SIGTERM, libc::SIGINT];
            let signals = if may_end { &signals[..] } else { &signals[..3] };
            Move::Signal(signals[rng.usize(..signals.len())], rng.bool())
        }
        13 => Move::Deadline,
        14 => Move::Wait(rng.u32(..40_000)),
        15 => Move::Owes(whom),
        16 => Move::RollBack,
        17 => Move::LoseBinary,
        _ => Move::Late(rng.u32(..40_000)),
    }
}
