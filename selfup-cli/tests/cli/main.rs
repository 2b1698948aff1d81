//! The command as its users have it: started as a process, against sockets and files of all kinds.
#![allow(clippy::unwrap_used, reason = "what goes wrong in a test fails it at once")]

mod doctor;
mod fake;
mod inspect;
mod ran;
mod readme;
mod real;
mod service;
mod site;
mod terminal;
mod watch;
