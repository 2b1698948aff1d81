//! The command as its users have it: started as a process, against sockets and files of all kinds.

mod doctor;
mod fake;
mod inspect;
mod ran;
mod service;
mod site;
mod terminal;
mod watch;
