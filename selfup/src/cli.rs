//! What the command `selfup` of this very version asks of this crate. Not part of the public API.

pub use crate::upgrade::survey::{
    LONGEST_SIGNATURE, Look, Remembered, Survey, TurnedDown, libc_of, look, may_follow, verify,
};
